#pragma once

#include <memory>
#include <string>
#include <unordered_map>

#include "base/fd.h"
#include "base/ip.h"
#include "gateway/proxy/compiled.h"
#include "gateway/proxy/stream_hello.h"
#include "gateway/proxy/stream_record.h"
#include "gateway/proxy/stream_relay.h"

namespace weft::gateway {

class Worker;

/// Connections of a worker to ports that have TCP or TLS routes: relayed to where their route leads. On a
/// port with TLS the server name decides, which may also say that it is an HTTPS listener's.
class StreamServer final : private HelloReader::Owner, private StreamRelay::Owner {
 public:
  explicit StreamServer(Worker& worker) : worker_(worker) {}
  /// Whether connections to the port are to come here.
  static bool takes(const CompiledPort& port);
  void accept(Fd socket, const IpAddr& peer, uint16_t bind_port);
  size_t connections() const { return waiting_.size() + relays_.size(); }
  /// Ends all that are relayed.
  void shutdown();

 private:
  struct Waiting {
    std::unique_ptr<HelloReader> reader;
    IpAddr peer;
    uint16_t bind_port;
  };
  /// The listener whose certificates a terminated connection gets.
  struct Terminator final : TlsChooser {
    const ListenerTls* choose(std::string_view) override { return tls; }
    const ListenerTls* tls = nullptr;
  };
  struct Relay {
    std::unique_ptr<StreamRelay> relay;
    std::unique_ptr<Terminator> terminator;
    std::shared_ptr<const Compiled> compiled;  ///< what it goes by
  };
  using About = StreamRecord::About;

  void on_hello(HelloReader& reader, Fd socket, ClientHello hello) override;
  void on_relay_done(StreamRelay& relay) override;
  /// What is known of a connection when it comes; nobody takes it so far.
  About about(const IpAddr& peer, uint16_t bind_port, std::string server_name) const;
  /// `stream` may be null: nobody takes it.
  void relay(Fd socket, About about, const CompiledListener& listener, const CompiledStream* stream);
  StreamRecord begin(About about);
  /// Of a connection that is not relayed.
  void refuse(StreamRecord record, Flag why);
  void over(StreamRecord& record);

  Worker& worker_;
  uint64_t turn_ = 0;
  std::unordered_map<HelloReader*, Waiting> waiting_;
  std::unordered_map<StreamRelay*, Relay> relays_;
};

}  // namespace weft::gateway
