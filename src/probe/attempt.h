#pragma once

#include <functional>

#include "probe/probe.h"

namespace weft::probe {

/// Makes one connection, here and now. `report` is called with what would be true if the patience ended at
/// that moment, before each step that may take long, and with the result at last. May block for longer than
/// the patience (resolvers do): whoever calls has to end it.
void attempt(const Ask& ask, const std::function<void(const Observed&)>& report);

/// The bytes of the request.
std::string request_text(const HttpAsk& http);
/// The status, where it redirects to and, of the JSON of weft/echo and its like, "namespace/name" of the pod:
/// what is known of an answer of which these bytes have come. Status 0: not all of its first line.
struct HttpSeen {
  int status = 0;
  std::string location;
  std::string pod;
};
HttpSeen read_answer(std::string_view bytes);

}  // namespace weft::probe
