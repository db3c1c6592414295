#include <cstdlib>
#include <string>

#include "gateway/http/http1_body.h"
#include "gateway/http/http1_head.h"
#include "gateway/http/http1_writer.h"

namespace {

using namespace weft::gateway;
using namespace weft::gateway::http1;

void check(bool good) {
  if (!good) std::abort();
}

bool same(const Fields& a, const Fields& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Field& x, const Field& y) { return x.name == y.name && x.value == y.value; });
}

/// What was read and is written again means the same: nobody behind us reads it another way.
void request(std::string_view bytes, size_t split) {
  Limits limits{.head = 4096, .target = 1024, .fields = 32, .trailers = 1024};
  HeadScanner whole, parts;
  size_t size = whole.scan(bytes, limits);
  size_t found = parts.scan(bytes.substr(0, split), limits);
  if (found == 0 && parts.status() == 0) found = parts.scan(bytes, limits);
  check(found == size && parts.status() == whole.status());
  if (size == 0) return;
  RequestHead head, again;
  Arena arena;
  Body body, body_again;
  Connection connection, connection_again;
  if (read_request(bytes.substr(0, size), limits, head, arena, body, connection) != 0) return;
  Buffer out;
  write_request(head, body, out);
  Limits wide{.head = 16384};
  HeadScanner written;
  check(written.scan(out.view(), wide) == out.size());
  check(read_request(out.view(), wide, again, arena, body_again, connection_again) == 0);
  check(again.method == head.method && again.path == head.path && again.query == head.query &&
        again.has_query == head.has_query && again.authority == head.authority &&
        again.upgrade == head.upgrade && body_again == body && same(head.fields, again.fields));

  // The body, whole and in two pieces.
  std::string_view rest = bytes.substr(size);
  auto read = [&](size_t cut) {
    BodyReader reader;
    reader.start(body);
    std::string data;
    size_t used = 0;
    BodyReader::Step step{BodyReader::State::more};
    for (std::string_view part : {rest.substr(0, cut), rest}) {
      do {
        step = reader.read(part.substr(std::min(used, part.size())), limits);
        used += step.used;
        data += step.data;
      } while (step.state == BodyReader::State::data);
      if (step.state != BodyReader::State::more) break;
    }
    check(used <= rest.size());
    Fields trailers;
    bool good =
        step.state == BodyReader::State::end && read_trailers(reader.trailers(), limits, trailers, arena);
    return std::pair(good, data);
  };
  check(read(0) == read(split % (rest.size() + 1)));
}

void response(std::string_view bytes, bool to_head) {
  Limits limits;
  HeadScanner scanner;
  size_t size = scanner.scan(bytes, limits);
  if (size == 0) return;
  ResponseHead head, again;
  Arena arena;
  Body body, body_again;
  Connection connection, connection_again;
  if (!read_response(bytes.substr(0, size), limits, to_head, head, arena, body, connection)) return;
  Buffer out;
  write_response(head, body, connection.keep_alive ? Goes::on : Goes::closes, out);
  check(read_response(out.view(), limits, to_head, again, arena, body_again, connection_again));
  check(again.status == head.status && body_again == body && same(head.fields, again.fields));
}

}  // namespace

// Any bytes as a request and as a response.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  std::string_view bytes(reinterpret_cast<const char*>(data + 2), size - 2);
  request(bytes, std::min<size_t>(data[0] * size_t{4}, bytes.size()));
  response(bytes, (data[1] & 1) != 0);
  return 0;
}
