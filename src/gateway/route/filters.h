#pragma once

#include <cstdint>
#include <string_view>

#include "gateway/config/config.h"
#include "gateway/http/message.h"
#include "gateway/route/compiled_rule.h"

/// What a rule's filters do to heads (HTTPRoute's filters but CORS). Texts are put into the arena given,
/// which is the head's; what a filter writes has no control characters, whatever its object says.
namespace weft::gateway {

/// Sets, then adds (a field of its own), then removes. "host" is the authority and can only be set; fields of
/// the framing and of the connection are the codecs' and stay.
void edit(const HeaderEdit& edit, RequestHead& head, Arena& arena);
void edit(const HeaderEdit& edit, ResponseHead& head, Arena& arena);

/// The path that a filter makes of `path`; `match` is what took the request. A path that would be refused
/// from a client is not made: then it stays as it is.
std::string_view edited_path(const PathEdit& edit, std::string_view path, const CompiledMatch& match,
                             Arena& arena);

void rewrite(const Rewrite& rewrite, const CompiledMatch& match, RequestHead& head, Arena& arena);

/// Status and Location of the answer. `listener_port`: Port::port, as clients know it.
void redirect(const Redirect& redirect, const RequestHead& request, const CompiledMatch& match,
              uint16_t listener_port, ResponseHead& answer, Arena& arena);

}  // namespace weft::gateway
