#include "dns/corefile.h"

#include <fmt/format.h>

#include <charconv>
#include <filesystem>
#include <map>

namespace weft::dns::corefile {
namespace {

constexpr int kMaxDepth = 16;          // blocks in blocks, and imports in imports
constexpr size_t kMaxWords = 200'000;  // with all that is imported

/// Text to words. Never fails: a quote that is not closed ends with the text, which is told.
class Lexer {
 public:
  Lexer(std::string_view text, const std::string& file, const FileAccess& access, ConfigProblems& problems)
      : text_(text), file_(file), access_(access), problems_(problems) {}

  std::vector<Word> words() {
    if (text_.starts_with("\xef\xbb\xbf")) at_ = 3;
    while (skip_space(), at_ < text_.size()) {
      Word word{.text = {}, .file = file_, .line = line_, .quoted = text_[at_] == '"'};
      word.text = with_variables(word.quoted ? quoted() : plain());
      out_.push_back(std::move(word));
    }
    return std::move(out_);
  }

 private:
  static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

  void skip_space() {
    for (bool comment = false; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '\n') {
        ++line_;
        comment = false;
      } else if (c == '#') {
        comment = true;
      } else if (!comment && !is_space(c)) {
        return;
      }
    }
  }

  std::string plain() {
    const size_t start = at_;
    while (at_ < text_.size() && !is_space(text_[at_])) ++at_;
    return std::string(text_.substr(start, at_ - start));
  }

  std::string quoted() {
    const int opened = line_;
    std::string out;
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '"') {
        ++at_;
        return out;
      }
      // Only the quote itself is escaped: expressions keep their backslashes.
      if (text_[at_] == '\\' && at_ + 1 < text_.size() && text_[at_ + 1] == '"') ++at_;
      if (text_[at_] == '\n') ++line_;
      out += text_[at_];
    }
    problems_.error(file_, opened, "a quote that is not closed; put a \" at its end");
    return out;
  }

  std::string with_variables(std::string text) const {
    for (const auto& [open, close] : {std::pair("{$", "}"), std::pair("{%", "%}")}) {
      size_t from = 0;
      for (size_t start; (start = text.find(open, from)) != std::string::npos;) {
        const size_t end = text.find(close, start + 2);
        if (end == std::string::npos) break;
        const std::string value = access_.variable(text.substr(start + 2, end - start - 2));
        text.replace(start, end + std::string_view(close).size() - start, value);
        from = start + value.size();
      }
    }
    return text;
  }

  std::string_view text_;
  const std::string& file_;
  const FileAccess& access_;
  ConfigProblems& problems_;
  std::vector<Word> out_;
  size_t at_ = 0;
  int line_ = 1;
};

bool is_brace(const Word& word, std::string_view brace) { return !word.quoted && word.text == brace; }

/// "{args[0]}", "{args.0}", or "{args[:]}" alone for all.
std::vector<Word> with_args(const std::vector<Word>& words, const std::vector<Word>& args) {
  std::vector<Word> out;
  for (Word word : words) {
    if (word.text == "{args[:]}") {
      for (const Word& arg : args) {
        out.push_back(word);
        out.back().text = arg.text;
      }
      continue;
    }
    for (const auto& [open, close] : {std::pair("{args[", "]}"), std::pair("{args.", "}")}) {
      size_t from = 0;
      for (size_t start; (start = word.text.find(open, from)) != std::string::npos;) {
        const char* digits = word.text.data() + start + 6;
        size_t number = 0;
        auto [end, error] = std::from_chars(digits, word.text.data() + word.text.size(), number);
        const auto stop = static_cast<size_t>(end - word.text.data());
        from = start + 6;
        if (error != std::errc() || word.text.compare(stop, std::string_view(close).size(), close) != 0)
          continue;
        const std::string value = number < args.size() ? args[number].text : "";
        word.text.replace(start, stop + std::string_view(close).size() - start, value);
        from = start + value.size();
      }
    }
    out.push_back(std::move(word));
  }
  return out;
}

class Parser {
 public:
  Parser(const FileAccess& access, ConfigProblems& problems, std::vector<std::string>& files)
      : access_(access), problems_(problems), files_(files) {}

  void file(std::string_view text, const std::string& name, int depth) {
    blocks(Lexer(text, name, access_, problems_).words(), depth);
  }
  std::vector<ServerBlock> take() { return std::move(out_); }

 private:
  /// Words that are read from front to back.
  struct Input {
    const std::vector<Word>& words;
    size_t at = 0;
    bool done() const { return at >= words.size(); }
    const Word& peek() const { return words[at]; }
    const Word& next() { return words[at++]; }
    bool same_line() const {
      return !done() && at > 0 && words[at].line == words[at - 1].line &&
             words[at].file == words[at - 1].file;
    }
  };

  void error(const Word& at, std::string_view what) { problems_.error(at.file, at.line, what); }

  bool spend(const Word& at, size_t words, int depth) {
    words_ += words;
    if (depth <= kMaxDepth && words_ <= kMaxWords) return true;
    if (!too_much_)
      error(at, depth > kMaxDepth
                    ? "nested or imported more than 16 deep; does an import lead back to itself?"
                    : "with all imports more than 200000 words");
    too_much_ = true;
    return false;
  }

  void blocks(const std::vector<Word>& words, int depth) {
    if (words.empty() || !spend(words[0], words.size(), depth)) return;
    for (Input in{words}; !in.done() && !too_much_;) {
      if (in.peek().text == "import" && !in.peek().quoted) {
        import_blocks(in, depth);
      } else {
        block(in, depth);
      }
    }
  }

  void block(Input& in, int depth) {
    ServerBlock block;
    bool more = false;
    while (!in.done() && !is_brace(in.peek(), "{")) {
      Word word = in.next();
      if (!block.keys.empty() && !more && !(in.at > 1 && in.words[in.at - 2].line == word.line)) {
        error(block.keys[0], "a server block without \"{\" at the end of its line; put its plugins into { }");
        in.at = in.words.size();  // what follows would be told wrongly
        return;
      }
      more = word.text.ends_with(',');
      split_keys(word, block.keys);
    }
    if (in.done()) {
      error(in.words.back(), "the file ends before the \"{\" of a server block");
      return;
    }
    const Word open = in.next();
    if (block.keys.empty())
      error(open, "a block without a name; write its zones before the \"{\", \".\" for all names");
    if (block.keys.size() == 1 && block.keys[0].text.starts_with('(') && block.keys[0].text.ends_with(')'))
      return snippet(block.keys[0], open, in);
    block.directives = directives(in, &open, depth + 1);
    if (!block.keys.empty()) out_.push_back(std::move(block));
  }

  /// "a.org,b.org," is two keys.
  static void split_keys(const Word& word, std::vector<Word>& out) {
    std::string_view rest = word.text;
    while (!rest.empty()) {
      auto comma = rest.find(',');
      if (comma != 0) out.push_back({std::string(rest.substr(0, comma)), word.file, word.line, word.quoted});
      if (comma == std::string_view::npos) return;
      rest.remove_prefix(comma + 1);
    }
  }

  void snippet(const Word& name, const Word& open, Input& in) {
    auto text = name.text.substr(1, name.text.size() - 2);
    std::vector<Word> body;
    for (int depth = 1; !in.done();) {
      const Word& word = in.next();
      depth += is_brace(word, "{") ? 1 : is_brace(word, "}") ? -1 : 0;
      if (depth == 0) {
        if (!snippets_.emplace(text, std::move(body)).second)
          error(name, fmt::format("snippet ({}) is there already; give it another name", text));
        return;
      }
      body.push_back(word);
    }
    error(open, "a block that is not closed; put a \"}\" at its end");
  }

  /// Up to the closing brace of `open`, or to the end of what is imported.
  std::vector<Directive> directives(Input& in, const Word* open, int depth) {
    std::vector<Directive> out;
    while (!in.done() && !too_much_) {
      if (is_brace(in.peek(), "}")) {
        const Word& close = in.next();
        if (!open) error(close, "a \"}\" that closes nothing; take it away");
        if (open) return out;
        continue;
      }
      Directive line{.name = in.next(), .args = {}, .body = {}};
      if (is_brace(line.name, "{")) {
        error(line.name, "a \"{\" with nothing before it on its line; write it behind what it belongs to");
        if (spend(line.name, 0, depth + 1)) directives(in, &line.name, depth + 1);
        continue;
      }
      while (in.same_line() && !is_brace(in.peek(), "{") && !is_brace(in.peek(), "}"))
        line.args.push_back(in.next());
      if (in.same_line() && is_brace(in.peek(), "{")) {
        const Word inner = in.next();
        if (spend(inner, 0, depth + 1)) line.body = directives(in, &inner, depth + 1);
      }
      if (line.name.text == "import" && !line.name.quoted) {
        import_directives(line, out, depth);
      } else {
        out.push_back(std::move(line));
      }
    }
    if (open && !too_much_) error(*open, "a block that is not closed; put a \"}\" at its end");
    return out;
  }

  void import_directives(const Directive& line, std::vector<Directive>& out, int depth) {
    if (line.args.empty()) return error(line.name, "import of what? Write a snippet's name or a file's");
    auto take = [&](const std::vector<Word>& words) {
      if (words.empty() || !spend(line.name, words.size(), depth + 1)) return;
      Input in{words};
      for (auto& directive : directives(in, nullptr, depth + 1)) out.push_back(std::move(directive));
    };
    if (auto snippet = snippets_.find(line.args[0].text); snippet != snippets_.end())
      return take(with_args(snippet->second, {line.args.begin() + 1, line.args.end()}));
    for (const auto& [path, text] : read_files(line.args[0]))
      take(Lexer(text, path, access_, problems_).words());
  }

  void import_blocks(Input& in, int depth) {
    const Word word = in.next();
    if (!in.same_line()) return error(word, "import of what? Write a file's name");
    const Word what = in.next();
    while (in.same_line()) in.next();
    if (auto snippet = snippets_.find(what.text); snippet != snippets_.end())
      return blocks(snippet->second, depth + 1);
    for (const auto& [path, text] : read_files(what)) {
      if (spend(word, 0, depth + 1)) file(text, path, depth + 1);
    }
  }

  std::vector<std::pair<std::string, std::string>> read_files(const Word& what) {
    std::filesystem::path pattern(what.text);
    if (pattern.is_relative()) pattern = std::filesystem::path(what.file).parent_path() / pattern;
    auto paths = access_.match(pattern.string());
    const bool many = what.text.find_first_of("*?[") != std::string::npos;
    if (paths.empty() && !many)
      error(what,
            fmt::format("import {}: neither a snippet above nor a file; is it spelled right?", what.text));
    std::vector<std::pair<std::string, std::string>> out;
    for (const auto& path : paths) {
      files_.push_back(path);
      if (auto text = access_.read(path)) {
        out.emplace_back(path, std::move(*text));
      } else {
        error(what, text.error().message);
      }
    }
    return out;
  }

  const FileAccess& access_;
  ConfigProblems& problems_;
  std::vector<std::string>& files_;
  std::map<std::string, std::vector<Word>, std::less<>> snippets_;
  std::vector<ServerBlock> out_;
  size_t words_ = 0;
  bool too_much_ = false;
};

}  // namespace

std::vector<ServerBlock> parse(std::string_view text, const std::string& file, const FileAccess& access,
                               ConfigProblems& problems, std::vector<std::string>& files) {
  Parser parser(access, problems, files);
  parser.file(text, file, 0);
  return parser.take();
}

}  // namespace weft::dns::corefile
