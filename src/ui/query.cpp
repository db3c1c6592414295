#include "ui/query.h"

#include <fmt/core.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>

namespace weft::ui {
namespace {

std::string unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned byte = 0;
    if (text[i] == '%' && i + 2 < text.size()) {
      auto [end, error] = std::from_chars(text.data() + i + 1, text.data() + i + 3, byte, 16);
      if (error == std::errc() && end == text.data() + i + 3) {
        out += static_cast<char>(byte);
        i += 2;
        continue;
      }
    }
    out += text[i] == '+' ? ' ' : text[i];
  }
  return out;
}

using Texts = std::vector<std::string> observe::FlowFilter::*;
using Ports = std::vector<uint16_t> observe::FlowFilter::*;
using Filter = observe::FlowFilter;
constexpr std::array<std::pair<std::string_view, Texts>, 13> kTexts = {{
    {"pod", &Filter::pod},
    {"from-pod", &Filter::from_pod},
    {"to-pod", &Filter::to_pod},
    {"namespace", &Filter::ns},
    {"from-namespace", &Filter::from_ns},
    {"to-namespace", &Filter::to_ns},
    {"ip", &Filter::ip},
    {"from-ip", &Filter::from_ip},
    {"to-ip", &Filter::to_ip},
    {"to-service", &Filter::service},
    {"verdict", &Filter::verdict},
    {"protocol", &Filter::protocol},
    {"type", &Filter::event},
}};
constexpr std::array<std::pair<std::string_view, Ports>, 2> kPorts = {{
    {"port", &Filter::port},
    {"to-port", &Filter::to_port},
}};

std::optional<uint16_t> port_of(std::string_view text) {
  uint16_t port = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return port;
}

}  // namespace

std::vector<std::pair<std::string, std::string>> parse_query(std::string_view query) {
  std::vector<std::pair<std::string, std::string>> out;
  while (!query.empty()) {
    auto end = std::min(query.find('&'), query.size());
    auto one = query.substr(0, end);
    query.remove_prefix(std::min(end + 1, query.size()));
    if (one.empty()) continue;
    auto mark = std::min(one.find('='), one.size());
    out.emplace_back(unescape(one.substr(0, mark)), unescape(one.substr(std::min(mark + 1, one.size()))));
  }
  return out;
}

Expected<observe::FlowFilter> filter_of(std::string_view query) {
  observe::FlowFilter out;
  for (const auto& [name, value] : parse_query(query)) {
    if (value.empty()) continue;
    auto text = std::ranges::find(kTexts, name, &std::pair<std::string_view, Texts>::first);
    auto port = std::ranges::find(kPorts, name, &std::pair<std::string_view, Ports>::first);
    if (name == "not") {
      out.invert = true;
    } else if (text != kTexts.end()) {
      (out.*text->second).push_back(value);
    } else if (port != kPorts.end()) {
      auto number = port_of(value);
      if (!number) return fail(ErrorCode::invalid, fmt::format("{}: \"{}\" is no port", name, value));
      (out.*port->second).push_back(*number);
    } else {
      return fail(ErrorCode::invalid, fmt::format("\"{}\" is no filter of flows", name));
    }
  }
  return out;
}

}  // namespace weft::ui
