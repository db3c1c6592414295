#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace weft::standalone {

/// One request as the handlers see it: HTTP, with the path and query taken apart, and who sent it.
struct ApiRequest {
  std::string method;
  std::vector<std::string> path;             ///< segments, percent-decoded
  std::map<std::string, std::string> query;  ///< the last of equal names wins
  std::vector<std::string> commands;         ///< every `command=` of exec, in order
  std::string accept;
  std::string content_type;
  std::string user_agent;
  std::string body;
  std::string user;                 ///< common name of the client certificate
  std::vector<std::string> groups;  ///< its organizations

  std::string param(const std::string& name) const {
    auto it = query.find(name);
    return it == query.end() ? std::string() : it->second;
  }
  bool flag(const std::string& name) const {
    auto value = param(name);
    return value == "true" || value == "1";
  }
};

/// Takes "/api/v1/pods?watch=true" apart. bad_request on a malformed escape, "..", or an empty segment in the
/// middle.
Expected<void> parse_target(std::string_view target, ApiRequest& out);

/// What an Accept header prefers of what the server can send.
struct Accept {
  enum class Form { plain, table, partial_metadata, partial_metadata_list, discovery };
  Form form = Form::plain;
  bool acceptable = true;  ///< false: nothing it names can be sent (406)
};
Accept parse_accept(std::string_view header);

}  // namespace weft::standalone
