#include <array>
#include <cstdlib>

#include "dns/codec.h"
#include "dns/search_path.h"

// Any bytes as a query and as a response whose records are copied: nothing is read outside, what is written
// can be read.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft::dns;
  std::span<const uint8_t> message(data, size);
  Query query;
  Parsed parsed = parse_query(message, query);
  if (parsed.verdict == Verdict::drop) query = Query{};
  static const Name zone = *Name::parse("z");
  for (const Name& step : rest_of_search_path(query.name, "s", zone, std::span(&zone, 1))) {
    if (step.size() >= query.name.size()) std::abort();
  }
  std::array<uint8_t, 4096> out;
  Writer writer(out, query.has_edns ? 1232 : 512, query);
  writer.set_rcode(parsed.rcode);
  size_t at = kHeaderSize;
  int records = 0;
  for (RecordView record; at <= size && records < 64 && read_record(message, at, record); ++records) {
    writer.copy(Section::answer, message, record);
  }
  size_t written = writer.finish();
  if (written > (query.has_edns ? 1232 : 512)) std::abort();

  std::span<const uint8_t> answer(out.data(), written);
  ResponseHeader header;
  if (!read_header(answer, header) || !header.response || header.id != query.id) std::abort();
  at = kHeaderSize;
  if (header.questions == 1) {
    Name name;
    if (!read_name(answer, at, name) || name != query.name) std::abort();
    at += 4;
  }
  for (int i = 0; i < header.answers + header.additionals; ++i) {
    RecordView record;
    if (!read_record(answer, at, record)) std::abort();
  }
  if (at != written) std::abort();
  return 0;
}
