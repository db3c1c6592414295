#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/http/address.h"
#include "base/http/request.h"

namespace weft {
namespace asio = boost::asio;
}

namespace weft::http {

/// The part of an answer's body that comes piece by piece.
class Stream {
 public:
  virtual ~Stream() = default;
  /// False: the client has gone, or does not take it within the server's patience.
  virtual asio::awaitable<bool> write(std::string bytes) = 0;
};

struct Answer {
  unsigned status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  /// Goes on behind `body` until it returns; of a GET.
  std::function<asio::awaitable<void>(Stream&)> more;
};

/// Runs on the server's io_context. A handler that waits may go on after its listener has been closed: let it
/// own what it uses.
using Handler = std::function<asio::awaitable<Answer>(Request)>;

/// A handler that answers at once.
Handler answer_with(std::function<Answer(const Request&)> answer);

/// Small HTTP/1 for health checks, metrics and the page of `weft ui`, made for clients that nobody knows: one
/// request a connection, without a body unless the limits let it have one. A client that has not sent its
/// request and taken the answer after `patience` is cut. The connections of all listeners together are
/// bounded: at the bound the oldest one makes room, so that idle ones cannot keep others out. All on one
/// io_context's thread.
class Server {
 public:
  struct Limits {
    std::chrono::milliseconds patience{5000};
    size_t connections = 256;
    size_t body = 0;  ///< longest one of a POST; 0: there is no POST
  };

  /// Closes its port and cuts its connections when it goes.
  class Listener {
   public:
    ~Listener();
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    uint16_t port() const;

   private:
    friend Server;
    struct State;
    explicit Listener(std::shared_ptr<State> state);
    std::shared_ptr<State> state_;
  };

  explicit Server(asio::io_context& io);
  Server(asio::io_context& io, Limits limits);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// `address.port` 0: any free one. In the network namespace of the calling thread.
  Expected<std::unique_ptr<Listener>> listen(const Address& address, Handler handler);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace weft::http
