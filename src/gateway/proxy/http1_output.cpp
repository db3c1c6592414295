#include "gateway/proxy/http1_output.h"

#include <algorithm>

#include "gateway/http/http1_body.h"
#include "gateway/http/http1_writer.h"

namespace weft::gateway {

bool Http1Output::send(Connection& connection, std::string_view data, bool end) {
  switch (kind_) {
    case BodyKind::none:
      return connection.write_later();
    case BodyKind::close:
      return connection.write(data);
    case BodyKind::length:
      data = data.substr(0, static_cast<size_t>(std::min<uint64_t>(remaining_, data.size())));
      remaining_ -= data.size();
      return connection.write(data);
    case BodyKind::chunked:
      break;
  }
  if (!data.empty()) {
    Buffer& out = connection.out();
    out.commit(http1::write_chunk_size(data.size(), out.reserve(http1::kChunkSizeMax)));
    connection.write(data);
    out.append(http1::kChunkEnd);
  }
  if (end) http1::write_trailers({}, connection.out());
  return connection.write_later();
}

void Http1Output::send_trailers(Connection& connection, const Fields& trailers) {
  if (kind_ == BodyKind::chunked) http1::write_trailers(trailers, connection.out());
  connection.write_later();
}

}  // namespace weft::gateway
