#include <cstdlib>
#include <string_view>

#include "dns/answer_cache.h"

// Any bytes as an upstream's answer, into the cache and out again to askers of all kinds: nothing is read or
// written outside, what comes out is a message of at most the size asked for, about what was asked.
namespace {

using namespace weft::dns;

void check(std::span<const uint8_t> message, const Query& query, size_t limit) {
  ResponseHeader header;
  size_t at = kHeaderSize;
  Name name;
  if (message.size() > limit || !read_header(message, header) || !header.response || header.questions != 1 ||
      !read_name(message, at, name) || name != query.name)
    std::abort();
  at += 4;
  for (int i = 0; i < header.answers + header.authorities + header.additionals; ++i) {
    RecordView record;
    if (!read_record(message, at, record)) std::abort();
  }
  if (at != message.size()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::vector<weft::IpPrefix> ranges{*weft::IpPrefix::parse("10.0.0.0/8"),
                                                  *weft::IpPrefix::parse("fd00::/8")};
  static CacheOptions options{
      .positive = 3, .negative = 3, .prefetch_hits = 1, .serve_stale = std::chrono::hours(1)};
  static AnswerCache cache(options);
  static std::vector<uint8_t> out(kMaxMessage);
  if (size < 1) return 0;
  const uint8_t how = data[0];
  std::span<const uint8_t> message(data + 1, size - 1);

  // The question is that of the message, so that there is an answer at all.
  UpstreamQuestion question{.type = Type{(how & 0x80) != 0 ? uint16_t{65} : uint16_t{1}}};
  size_t at = kHeaderSize;
  if (message.size() > kHeaderSize && !read_name(message, at, question.name)) return 0;
  bool same_case = false;
  is_answer_to(question, static_cast<uint16_t>(how), message, same_case);
  auto answer = store_answer(question, message, (how & 1) != 0 ? &options : nullptr);
  if (!answer) return 0;
  points_into(*answer, ranges);

  Query query;
  query.has_question = true;
  query.name = question.name;
  query.type = question.type;
  query.has_edns = (how & 2) != 0;
  const size_t limit = (how & 4) != 0 ? 512 : kMaxMessage;
  const AnswerForm form{.limit = limit, .age = how, .rotation = how, .stale = (how & 8) != 0};
  const size_t written = write_stored(*answer, query, query.name, form, out);
  // OPT and a question that is not the message's own would be one record more than the other fields say.
  check({out.data(), written}, query, limit);

  const auto now = AnswerCache::Clock::now();
  cache.put(question, *answer, now);
  const auto later = now + std::chrono::seconds(how);
  const auto lookup = cache.find(question, query, form, true, later, out);
  if (lookup.size > 0) check({out.data(), lookup.size}, query, limit);
  return 0;
}
