#include "policy/domain_file.h"

#include <fcntl.h>
#include <fmt/core.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <fstream>

#include "base/domain_messages.h"

namespace weft::policy {
namespace {

/// More lines than that, and twice as many as are of use, and the file is written anew.
constexpr size_t kFewLines = 1000;

std::string line_of(const KnownDomain& known) {
  return fmt::format("{} {} {}\n", known.until.time_since_epoch().count(), known.address.str(), known.name);
}

Expected<void> write_all(int fd, const std::string& text, const std::string& path) {
  for (size_t at = 0; at < text.size();) {
    auto written = ::write(fd, text.data() + at, text.size() - at);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail_errno("write " + path, errno);
    at += static_cast<size_t>(written);
  }
  return {};
}

}  // namespace

std::string domain_file_in(const std::string& state_dir) { return state_dir + "/domains"; }

std::optional<KnownDomain> parse_known_domain(std::string_view line) {
  KnownDomain out;
  int64_t until = 0;
  auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), until);
  if (error != std::errc() || until < 0) return std::nullopt;
  line.remove_prefix(static_cast<size_t>(end - line.data()));
  if (!line.starts_with(' ')) return std::nullopt;
  line.remove_prefix(1);
  auto space = line.find(' ');
  if (space == std::string_view::npos) return std::nullopt;
  auto address = IpAddr::parse(line.substr(0, space));
  auto name = line.substr(space + 1);
  if (!address || name.empty() || name.size() > domain_feed::kMaxName || name.find(' ') != name.npos)
    return std::nullopt;
  return KnownDomain{std::string(name), *address, KnownDomain::Time(std::chrono::seconds(until))};
}

Expected<DomainTable> DomainFile::read(const std::string& path) {
  DomainTable table;
  std::ifstream in(path);
  if (!in && errno != ENOENT) return fail_errno("read " + path, errno);
  for (std::string line; std::getline(in, line);) {
    // The last one may be half of one that an agent was killed at.
    if (auto known = parse_known_domain(line); known && !in.eof()) table.restore(*known);
  }
  return table;
}

Expected<DomainFile> DomainFile::open(std::string path, DomainTable& table) {
  DomainFile out;
  out.path_ = std::move(path);
  WEFT_TRY(table, read(out.path_));
  WEFT_CHECK(out.rewrite(table));
  return out;
}

Expected<void> DomainFile::append(std::span<const KnownDomain> changed, const DomainTable& table) {
  if (changed.empty()) return {};
  if (!fd_ || lines_ + changed.size() > std::max(kFewLines, 2 * table.size())) return rewrite(table);
  std::string text;
  for (const auto& known : changed) text += line_of(known);
  lines_ += changed.size();
  auto written = write_all(fd_.get(), text, path_);
  // Behind half a line nothing could be read.
  if (!written) fd_.reset();
  return written;
}

Expected<void> DomainFile::rewrite(const DomainTable& table) {
  auto temporary = path_ + ".new";
  Fd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600));
  if (!fd) return fail_errno("write " + temporary, errno);
  std::string text;
  auto all = table.all();
  for (const auto& known : all) text += line_of(known);
  WEFT_CHECK(write_all(fd.get(), text, temporary));
  if (::rename(temporary.c_str(), path_.c_str()) != 0) return fail_errno("write " + path_, errno);
  fd_ = std::move(fd);
  lines_ = all.size();
  return {};
}

}  // namespace weft::policy
