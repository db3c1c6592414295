#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "policy/domain_table.h"

namespace weft::policy {

/// Where an agent keeps it: its file in the folder of its state.
std::string domain_file_in(const std::string& state_dir);

/// A line of the file without its end: until when (seconds since the epoch), the address, the name. Nothing:
/// it is none.
std::optional<KnownDomain> parse_known_domain(std::string_view line);

/// Where an agent keeps what names were answered to have, for the one after it: a line for each change, the
/// last one of a name and address counts. What was appended is there though the agent is killed the next
/// moment. Not what survives the machine: nothing is waited for to reach a disk.
class DomainFile {
 public:
  /// Takes what is there into `table`, and writes the file anew.
  static Expected<DomainFile> open(std::string path, DomainTable& table);
  /// For others than the agent; an empty table if there is no file.
  static Expected<DomainTable> read(const std::string& path);

  /// Of these `table` has the state by now.
  Expected<void> append(std::span<const KnownDomain> changed, const DomainTable& table);

 private:
  DomainFile() = default;
  Expected<void> rewrite(const DomainTable& table);

  std::string path_;
  Fd fd_;
  size_t lines_ = 0;
};

}  // namespace weft::policy
