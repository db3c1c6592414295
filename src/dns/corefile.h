#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "dns/config_file.h"

/// The grammar of a Corefile: what CoreDNS calls server blocks, plugins and snippets, before anything in it
/// means something.
namespace weft::dns::corefile {

struct Word {
  std::string text;
  std::string file;
  int line = 0;
  bool quoted = false;
};

/// One line of a block, with the block behind it if it opens one.
struct Directive {
  Word name;
  std::vector<Word> args;
  std::vector<Directive> body;
};

struct ServerBlock {
  std::vector<Word> keys;  ///< "example.com", "tls://.:853"
  std::vector<Directive> directives;
};

/// Words are parted by white space, "in quotes" with it; # begins a comment; {$NAME} and {%NAME%} are
/// variables of the environment. `import` takes in a snippet, with {args[0]} for what is behind its name, or
/// files. Bounded: imports that lead back to themselves, or grow without end, are errors. The names of
/// imported files are added to `files`.
std::vector<ServerBlock> parse(std::string_view text, const std::string& file, const FileAccess& access,
                               ConfigProblems& problems, std::vector<std::string>& files);

}  // namespace weft::dns::corefile
