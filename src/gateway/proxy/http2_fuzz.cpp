#include <fcntl.h>
#include <sys/socket.h>

#include <cstdlib>

#include "gateway/http/chars.h"
#include "gateway/proxy/http2_server.h"
#include "gateway/proxy/test_streams.h"

namespace weft::gateway {
namespace {

struct Owner final : ServerCodecOwner, RequestHandler, Connection::Events {
  explicit Owner(Loop& of) : loop(of) {}
  ServerStreamEvents& on_stream(ServerStream& stream) override { return handler.on_stream(stream); }
  void on_codec_done(ServerCodec&) override {
    loop.dispose(std::move(server));
    loop.stop();
  }
  void on_open() override {}
  void on_open_failed(Reset) override {}
  void on_readable() override {}
  void on_drained() override {}

  Loop& loop;
  TestHandler handler;
  std::unique_ptr<Http2Server> server;
};

/// What every request that was told of has to be, whatever bytes it came from.
void check(const TestAnswer& answer) {
  if (!answer.told) return;
  const RequestHead& head = answer.head;
  bool star = head.path == "*" && head.method == "OPTIONS";
  if (head.method.empty() || head.authority.empty() || !(star || head.path.starts_with('/'))) std::abort();
  if (!chars::all(chars::kTarget, head.path) || !chars::all(chars::kTarget, head.query)) std::abort();
  for (const Field& field : head.fields) {
    if (field.name.empty() || !chars::all(chars::kToken, field.name)) std::abort();
    if (!chars::all(chars::kValue, field.value) || field.name == "host") std::abort();
  }
  bool whole = answer.in_ended && !answer.reset && answer.body_said.kind == BodyKind::length;
  if (whole && answer.body.size() != answer.body_said.length) std::abort();
}

}  // namespace
}  // namespace weft::gateway

// Any frames of a client behind its preface.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace weft::gateway;
  auto loop = Loop::create();
  int ends[2];
  if (!loop || ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) return 0;
  weft::Fd client(ends[0]);
  std::string bytes(kHttp2Preface);
  bytes.append("\0\0\0\4\0\0\0\0\0", 9);
  bytes.append(reinterpret_cast<const char*>(data), size);
  if (::send(client.get(), bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) return 0;
  ::shutdown(client.get(), SHUT_WR);

  static const ServerLimits limits;
  Owner owner(**loop);
  auto connection = Connection::accept(**loop, weft::Fd(ends[1]), nullptr, owner);
  owner.server = std::make_unique<Http2Server>(std::move(connection), "http", limits, owner, owner);
  owner.server->start();
  (*loop)->run();
  for (const auto& answer : owner.handler.answers) check(*answer);
  return 0;
}
