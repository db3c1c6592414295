#pragma once

#include <string>
#include <utility>
#include <vector>

#include "gateway/http/message.h"

namespace weft::gateway {

/// A request head with its texts. `target` is a normal path with or without a query.
struct TestRequest {
  Arena arena;
  RequestHead head;

  TestRequest(std::string_view method, std::string_view authority, std::string_view target,
              const std::vector<std::pair<std::string, std::string>>& fields = {}) {
    head.method = arena.keep(method);
    head.scheme = "http";
    head.authority = arena.keep(authority);
    size_t question = std::min(target.find('?'), target.size());
    head.path = arena.keep(target.substr(0, question));
    head.has_query = question < target.size();
    if (head.has_query) head.query = arena.keep(target.substr(question + 1));
    for (const auto& [name, value] : fields) head.fields.add(arena.keep(name), arena.keep(value));
  }
};

}  // namespace weft::gateway
