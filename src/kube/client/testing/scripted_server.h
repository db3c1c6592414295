#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kube/client/kubeconfig.h"

/// For tests: an HTTPS server on loopback that does to each request what the test says, down to the byte.
namespace weft::kube::test {

namespace asio = boost::asio;

/// A certificate with its key, both PEM.
struct Identity {
  std::string cert;
  std::string key;
};

/// A certificate authority that lives as long as the test.
class TestAuthority {
 public:
  TestAuthority();
  const std::string& cert() const { return self_.cert; }
  /// `san` as OpenSSL writes it: "IP:127.0.0.1,DNS:api"; empty: none.
  Identity issue(const std::string& common_name, const std::string& san) const;

 private:
  Identity self_;
};

/// One request as it came, and the way to answer it.
class Exchange {
 public:
  std::string method;
  std::string target;                          ///< path with query
  std::map<std::string, std::string> headers;  ///< names in lower case
  std::string body;

  /// Raw bytes; false when the client is gone.
  std::function<asio::awaitable<bool>(std::string bytes)> send;
  std::function<asio::awaitable<void>(int milliseconds)> sleep;
  bool close = false;  ///< set it to have the connection cut after the handler

  /// A whole answer with Content-Length. `more`: header lines, each ended by CR LF.
  asio::awaitable<bool> answer(int status, std::string body, std::string more = {});
  asio::awaitable<bool> start_stream();
  asio::awaitable<bool> chunk(std::string text);
  asio::awaitable<bool> end_stream() { return send("0\r\n\r\n"); }
  bool is_watch() const { return target.find("watch=true") != std::string::npos; }
};

class ScriptedServer {
 public:
  using Handler = std::function<asio::awaitable<void>(Exchange&)>;

  /// Listens on 127.0.0.1 (`port` 0: any). `client_ca` not empty: clients must show a certificate of it.
  ScriptedServer(asio::io_context& io, const Identity& identity, std::string client_ca, Handler handler,
                 uint16_t port = 0);
  ~ScriptedServer();

  uint16_t port() const;
  int connections() const;  ///< that were accepted so far and shook hands
  /// Stops listening and cuts every connection, as a process that is killed does.
  void kill();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// Everything a test needs to talk to one scripted server: authority, certificates, client configuration.
class Fixture {
 public:
  asio::io_context io{1};
  TestAuthority authority;
  Identity server_identity = authority.issue("server", "IP:127.0.0.1,DNS:api.test");
  Identity client_identity = authority.issue("someone", "");
  std::unique_ptr<ScriptedServer> server;

  void serve(ScriptedServer::Handler handler, uint16_t port = 0);
  ClientConfig config() const;
  /// Runs the io_context until `done` is true; false when that took longer than `seconds`.
  bool run_until(const std::function<bool()>& done, int seconds = 10);
  /// Runs one coroutine to its end and rethrows what it threw.
  void run(asio::awaitable<void> test, int seconds = 20);
};

}  // namespace weft::kube::test
