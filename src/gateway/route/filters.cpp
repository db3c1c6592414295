#include "gateway/route/filters.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "gateway/http/path.h"
#include "gateway/route/host_table.h"

namespace weft::gateway {
namespace {

/// In the arena, without what would end a field's line.
std::string_view value_text(std::string_view value, Arena& arena) {
  std::span<char> copy = arena.room(value.size());
  std::ranges::transform(value, copy.begin(), [](char c) {
    bool control = (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
    return control ? ' ' : c;
  });
  return {copy.data(), copy.size()};
}

bool is_codecs(std::string_view name) {
  constexpr std::array<std::string_view, 9> kNames = {"connection", "content-length",   "host",
                                                      "keep-alive", "proxy-connection", "te",
                                                      "trailer",    "upgrade",          "transfer-encoding"};
  return std::ranges::find(kNames, name) != kNames.end();
}

void edit_fields(const HeaderEdit& edit, Fields& fields, Arena& arena) {
  for (const auto& [name, value] : edit.set)
    if (!is_codecs(name)) fields.set(arena.keep(name), value_text(value, arena));
  for (const auto& [name, value] : edit.add)
    if (!is_codecs(name)) fields.add(arena.keep(name), value_text(value, arena));
  for (const std::string& name : edit.remove) fields.remove(name);
}

template <class... Texts>
std::string_view joined(Arena& arena, const Texts&... texts) {
  std::span<char> room = arena.room((std::string_view(texts).size() + ...));
  char* to = room.data();
  ((to = std::ranges::copy(std::string_view(texts), to).out), ...);
  return {room.data(), room.size()};
}

uint16_t well_known_port(std::string_view scheme) { return scheme == "https" ? 443 : 80; }

}  // namespace

void edit(const HeaderEdit& edit, RequestHead& head, Arena& arena) {
  for (const auto& [name, value] : edit.set)
    if (name == "host") head.authority = value_text(value, arena);
  edit_fields(edit, head.fields, arena);
}

void edit(const HeaderEdit& edit, ResponseHead& head, Arena& arena) { edit_fields(edit, head.fields, arena); }

std::string_view edited_path(const PathEdit& edit, std::string_view path, const CompiledMatch& match,
                             Arena& arena) {
  std::string_view value = edit.value;
  std::string_view rest;
  if (edit.prefix) {
    // The table of HTTPPathModifier.replacePrefixMatch: the matched prefix has no slash at its end, and what
    // is left is empty or starts with one.
    if (match.match->path_kind == PathKind::regex || match.path.size() > path.size()) return path;
    if (match.match->path_kind == PathKind::prefix) rest = path.substr(match.path.size());
    if (value.ends_with('/')) value.remove_suffix(1);
  }
  std::string_view slash = value.starts_with('/') || (value.empty() && !rest.empty()) ? "" : "/";
  return normal_path(joined(arena, slash, value, rest), arena).value_or(path);
}

void rewrite(const Rewrite& rewrite, const CompiledMatch& match, RequestHead& head, Arena& arena) {
  if (rewrite.path) head.path = edited_path(*rewrite.path, head.path, match, arena);
  if (rewrite.hostname) head.authority = value_text(*rewrite.hostname, arena);
}

void redirect(const Redirect& redirect, const RequestHead& request, const CompiledMatch& match,
              uint16_t listener_port, ResponseHead& answer, Arena& arena) {
  std::string_view scheme = redirect.scheme ? std::string_view(*redirect.scheme) : request.scheme;
  std::string_view host =
      redirect.hostname ? std::string_view(*redirect.hostname) : host_of(request.authority);
  std::string_view path =
      redirect.path ? edited_path(*redirect.path, request.path, match, arena) : request.path;
  uint16_t port = redirect.port.value_or(redirect.scheme ? well_known_port(scheme) : listener_port);
  std::string port_text = port == well_known_port(scheme) ? "" : fmt::format(":{}", port);
  answer.status = redirect.status;
  answer.fields.set("location", joined(arena, scheme, "://", value_text(host, arena), port_text, path,
                                       request.has_query ? "?" : "", request.query));
}

}  // namespace weft::gateway
