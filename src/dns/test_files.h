#pragma once

#include <map>
#include <string>

#include "dns/config_file.h"

namespace weft::dns {

/// Files and variables that are there for a configuration, without a file system. A pattern matches what
/// begins like it up to its star.
struct TestFiles {
  std::map<std::string, std::string> files, variables;

  FileAccess access() const {
    return {
        .read = [this](const std::string& path) -> Expected<std::string> {
          auto at = files.find(path);
          if (at == files.end()) return fail(ErrorCode::not_found, path + ": no such file");
          return at->second;
        },
        .match =
            [this](const std::string& pattern) {
              std::vector<std::string> out;
              auto star = pattern.find('*');
              for (const auto& [path, text] : files) {
                if (star == std::string::npos ? path == pattern : path.starts_with(pattern.substr(0, star)))
                  out.push_back(path);
              }
              return out;
            },
        .variable =
            [this](const std::string& name) {
              auto at = variables.find(name);
              return at == variables.end() ? std::string() : at->second;
            }};
  }
};

}  // namespace weft::dns
