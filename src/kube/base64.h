#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace weft::kube {

/// Standard base64 with padding (RFC 4648 §4), as Secret.data and ConfigMap.binaryData have it.
std::string encode_base64(std::string_view bytes);
/// The bytes, or nothing when the text is not base64. Line breaks are skipped, as Go does.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace weft::kube
