#include "dns/message_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "dns/count_traffic.h"

namespace weft::dns {
namespace {

constexpr size_t kSrvFixed = 6;  // bytes: priority, weight, port

uint16_t u16(std::span<const uint8_t> message, size_t at) {
  return static_cast<uint16_t>(message[at] << 8 | message[at + 1]);
}

std::string name_at(std::span<const uint8_t> message, size_t at) {
  Name name;
  return read_name(message, at, name) ? name.str() : "?";
}

std::string texts(std::span<const uint8_t> data) {
  std::string out;
  while (!data.empty() && data[0] < data.size()) {
    out += out.empty() ? "\"" : " \"";
    for (uint8_t c : data.subspan(1, data[0])) {
      if (c < ' ' || c >= 0x7f || c == '"' || c == '\\')
        out += fmt::format("\\{:03d}", c);
      else
        out += static_cast<char>(c);
    }
    out += '"';
    data = data.subspan(data[0] + 1U);
  }
  return out;
}

std::string data_text(std::span<const uint8_t> message, const RecordView& record) {
  const auto data = message.subspan(record.data_at, record.data_size);
  switch (record.type) {
    case Type::a:
      if (data.size() == 4) return IpAddr::v4({data[0], data[1], data[2], data[3]}).str();
      break;
    case Type::aaaa:
      if (std::array<uint8_t, 16> bytes; data.size() == bytes.size()) {
        std::ranges::copy(data, bytes.begin());
        return IpAddr::v6(bytes).str();
      }
      break;
    case Type::cname:
    case Type::ns:
    case Type::ptr:
    case Type::soa:  // its first name
      return name_at(message, record.data_at);
    case Type::mx:
      if (data.size() > 2) return fmt::format("{} {}", u16(data, 0), name_at(message, record.data_at + 2));
      break;
    case Type::srv:
      if (data.size() > kSrvFixed)
        return fmt::format("{} {} {} {}", u16(data, 0), u16(data, 2), u16(data, 4),
                           name_at(message, record.data_at + kSrvFixed));
      break;
    case Type::txt:
      return texts(data);
    default:
      break;
  }
  // RFC 3597, 5.
  std::string out = fmt::format("\\# {} ", data.size());
  for (uint8_t byte : data) out += fmt::format("{:02x}", byte);
  return out;
}

std::string lowered(std::string text) {
  for (char& c : text) c = static_cast<char>(ascii_lower(static_cast<uint8_t>(c)));
  return text;
}

}  // namespace

std::optional<AnswerText> read_answer_text(std::span<const uint8_t> message) {
  ResponseHeader header;
  if (!read_header(message, header) || !header.response) return std::nullopt;
  AnswerText out{.rcode = header.rcode, .records = {}};
  size_t at = kHeaderSize;
  for (int i = 0; i < header.questions; ++i) {
    Name name;
    if (!read_name(message, at, name) || message.size() - at < 4) return std::nullopt;
    at += 4;
  }
  for (int i = 0; i < header.answers; ++i) {
    RecordView record;
    if (!read_record(message, at, record)) return std::nullopt;
    out.records.push_back(fmt::format("{} {} {} {}", record.owner.str(), record.ttl, type_name(record.type),
                                      data_text(message, record)));
  }
  return out;
}

std::vector<std::string> AnswerText::essence() const {
  std::vector<std::string> out;
  for (const auto& record : records) {
    const auto owner_end = record.find(' ');
    const auto ttl_end = record.find(' ', owner_end + 1);
    out.push_back(lowered(record.substr(0, owner_end) + record.substr(ttl_end)));
  }
  std::ranges::sort(out);
  return out;
}

std::optional<Type> parse_type(std::string_view text) {
  const std::string wanted = lowered(std::string(text));
  for (size_t slot = 0; slot + 1 < Counters::kTypes; ++slot) {
    if (wanted == lowered(type_slot_name(slot))) return type_of_slot(slot);
  }
  std::string_view digits = wanted;
  if (digits.starts_with("type")) digits.remove_prefix(4);
  uint16_t number = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return static_cast<Type>(number);
}

std::string rcode_name(Rcode rcode) {
  switch (rcode) {
    case Rcode::noerror:
      return "NOERROR";
    case Rcode::formerr:
      return "FORMERR";
    case Rcode::servfail:
      return "SERVFAIL";
    case Rcode::nxdomain:
      return "NXDOMAIN";
    case Rcode::notimp:
      return "NOTIMP";
    case Rcode::refused:
      return "REFUSED";
    default:
      return fmt::format("code {}", static_cast<int>(rcode));
  }
}

}  // namespace weft::dns
