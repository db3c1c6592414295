#pragma once

#include <set>
#include <string>
#include <vector>

#include "dns/corefile.h"

/// What the plugins of a Corefile mean for a Config.
namespace weft::dns::corefile {

/// Makes a configuration of a file's server blocks, which are given in their order.
class Mapping {
 public:
  /// `file`: the one that what is missing is missing in.
  Mapping(std::string file, const FileAccess& access, ConfigProblems& problems, ConfigFile& out)
      : file_(std::move(file)), access_(access), problems_(problems), out_(out) {}

  void add(const ServerBlock& block);
  /// After the last block.
  void finish();

 private:
  using Handler = void (Mapping::*)(const Directive&);
  struct Plugin {
    const char* name;
    Handler handler;
  };
  static const std::vector<Plugin>& plugins();

  // corefile_plugins.cpp
  void keys(const ServerBlock& block);
  bool split_key(const Word& key, std::string_view& zone, uint16_t& port);
  void plugin(const Directive& line);
  void kubernetes(const Directive& line);
  void kubernetes_option(const Directive& option);
  void log(const Directive& line);
  void health(const Directive& line);
  void ready(const Directive& line);
  void prometheus(const Directive& line);
  void bind(const Directive& line);
  void loadbalance(const Directive& line);
  void autopath(const Directive& line);
  void nothing(const Directive&) {}
  void page(const Directive& line, std::string_view fallback, std::optional<http::Address>& out);
  void end_of_block(const ServerBlock& block);

  // corefile_forward.cpp
  void forward(const Directive& line);
  void forward_option(const Directive& option, Forward& forward, std::string& tls_name, std::string& ca);
  void upstream(const Word& word, Forward& forward);
  void cache(const Directive& line);
  void cache_option(const Directive& option, CacheOptions& cache);
  void cache_caps(const Directive& option, size_t& entries, std::chrono::seconds& max,
                  std::chrono::seconds& min);

  // corefile_names.cpp
  void hosts(const Directive& line);
  void hosts_option(const Directive& option, std::vector<HostsEntry>& entries);
  void hosts_entries(const std::vector<HostsEntry>& entries, const std::vector<Name>& zones);
  void rewrite(const Directive& line);
  void rewrite_rule(std::vector<Word> words, const std::vector<Directive>& answers, bool stop);

  void error(const Word& at, std::string_view what) { problems_.error(at.file, at.line, what); }
  void warn(const Word& at, std::string_view what) { problems_.warn(at.file, at.line, what); }
  /// Tells when a line has not as many words behind its name.
  bool arguments(const Directive& line, size_t least, size_t most, std::string_view usage);
  template <class T>
  bool number(const Word& word, T& out, uint64_t most);
  bool seconds(const Word& word, std::chrono::seconds& out);
  bool duration(const Word& word, std::chrono::milliseconds& out);

  const std::string file_;
  const FileAccess& access_;
  ConfigProblems& problems_;
  ConfigFile& out_;

  std::vector<Name> zones_;                  ///< of the block
  std::set<std::string, std::less<>> used_;  ///< plugins of the block
  std::set<std::string> all_zones_;
  std::optional<uint16_t> port_;  ///< of all blocks
  std::vector<IpAddr> bound_;
  /// Of the block whose zone is the root, else of the first that caches.
  std::optional<CacheOptions> cache_;
  std::optional<CacheOptions> block_cache_;
  std::optional<Word> uncached_, differently_cached_;
  bool root_cache_ = false;
  std::vector<Word> uncached_zones_;  ///< of `disable`; the cluster's needs none
};

inline bool Mapping::arguments(const Directive& line, size_t least, size_t most, std::string_view usage) {
  if (line.args.size() >= least && line.args.size() <= most) return true;
  error(line.name, std::string("expected: ").append(usage));
  return false;
}

template <class T>
bool Mapping::number(const Word& word, T& out, uint64_t most) {
  uint64_t value = 0;
  const bool digits = !word.text.empty() && word.text.size() < 16 &&
                      word.text.find_first_not_of("0123456789") == std::string::npos;
  if (digits) value = std::stoull(word.text);
  if (!digits || value > most) {
    error(word, "\"" + word.text + "\": expected a whole number from 0 to " + std::to_string(most));
    return false;
  }
  out = static_cast<T>(value);
  return true;
}

}  // namespace weft::dns::corefile
