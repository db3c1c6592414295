#include "contestant.h"

#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>
#include <utility>

#include "../must.h"
#include "gateway/proxy/proxy.h"
#include "load.h"

namespace weft::bench {

namespace {

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::shared_ptr<const gateway::VirtualHost> make_host(std::string name) {
  auto rule = std::make_shared<gateway::Rule>();
  rule->matches = {gateway::Match{}};
  rule->backends = {{.backend = "b"}};
  auto host = std::make_shared<gateway::VirtualHost>();
  host->hostname = std::move(name);
  host->rules = {rule};
  return host;
}

void forward_all(const std::string& folder, Front front, uint16_t port, uint16_t backend, int routes) {
  using namespace gateway;
  auto listener = std::make_shared<Listener>();
  if (routes == 0) listener->hosts = {make_host("")};
  for (int i = 0; i < routes; ++i) listener->hosts.push_back(make_host(bench_host(i)));
  std::ranges::sort(listener->hosts, {}, [](const auto& host) { return host->hostname; });
  auto certificates = std::make_shared<Certificates>();
  if (front == Front::tls) {
    listener->protocol = Protocol::https;
    listener->certificates = {"c"};
    certificates->pairs["c"] = std::make_shared<CertificatePair>(
        CertificatePair{read_file(folder + "/cert.pem"), read_file(folder + "/key.pem")});
  }
  auto at = std::make_shared<Port>();
  at->gateway = "bench/gateway";
  at->port = at->bind_port = port;
  at->listeners = {listener};
  auto snapshot = std::make_shared<Snapshot>();
  snapshot->ports = {at};
  snapshot->backends = std::make_shared<SharedMap<Backend>>(
      SharedMap<Backend>{{"b", std::make_shared<Backend>(Backend{.endpoints = "b"})}});
  snapshot->endpoints = std::make_shared<SharedMap<Endpoints>>(SharedMap<Endpoints>{
      {"b", std::make_shared<Endpoints>(Endpoints{{.addr = IpAddr::v4({127, 0, 0, 1}), .port = backend}})}});
  snapshot->certificates = certificates;
  auto proxy = must(Proxy::start({}));
  for (const Error& error : proxy->apply(snapshot)) throw std::runtime_error(error.message);
  ::pause();
}

void write_file(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

}  // namespace

Contestant Contestant::child(std::string name, uint16_t port, const std::function<void()>& body) {
  pid_t pid = ::fork();
  if (pid < 0) throw std::runtime_error("fork");
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::close_range(3, ~0U, 0);
    body();
    std::_Exit(1);
  }
  return {std::move(name), port, pid};
}

Contestant Contestant::weft(const std::string& folder, Front front, uint16_t port, uint16_t backend,
                            int routes) {
  return child("weft", port, [=] { forward_all(folder, front, port, backend, routes); });
}

void make_certificate(const std::string& folder) {
  std::string command =
      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "
      "/CN=bench.example -addext subjectAltName=DNS:bench.example -keyout " +
      folder + "/key.pem -out " + folder + "/cert.pem 2>/dev/null";
  if (std::system(command.c_str()) != 0) throw std::runtime_error("openssl req has failed");
  write_file(folder + "/both.pem", read_file(folder + "/cert.pem") + read_file(folder + "/key.pem"));
}

Contestant Contestant::nginx(const std::string& folder, Front front, uint16_t port, uint16_t backend) {
  const std::string speaks = front == Front::http2 ? " http2;\n"
                             : front == Front::tls ? " ssl;\n      ssl_certificate " + folder +
                                                         "/cert.pem;\n      ssl_certificate_key " + folder +
                                                         "/key.pem;\n      ssl_protocols TLSv1.3;\n"
                                                   : ";\n";
  std::string config = folder + "/nginx.conf";
  write_file(config,
             "daemon off;\nmaster_process off;\nworker_processes 1;\npid " + folder +
                 "/nginx.pid;\nerror_log " + folder +
                 "/nginx.log;\nevents { worker_connections 16384; }\nhttp {\n  access_log off;\n"
                 "  keepalive_requests 1000000000;\n  client_body_temp_path " +
                 folder + "/a;\n  proxy_temp_path " + folder + "/b;\n  fastcgi_temp_path " + folder +
                 "/c;\n  uwsgi_temp_path " + folder + "/d;\n  scgi_temp_path " + folder +
                 "/e;\n  upstream backend {\n    server 127.0.0.1:" + std::to_string(backend) +
                 ";\n    keepalive 128;\n    keepalive_requests 1000000000;\n  }\n  server {\n    listen "
                 "127.0.0.1:" +
                 std::to_string(port) + speaks +
                 "    location / {\n      proxy_pass http://backend;\n      proxy_http_version 1.1;\n"
                 "      proxy_set_header Connection \"\";\n      proxy_set_header Host $host;\n"
                 "      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n"
                 "      proxy_set_header X-Forwarded-Proto $scheme;\n      proxy_set_header X-Forwarded-Host "
                 "$host;\n"
                 "    }\n  }\n}\n");
  return child("nginx", port, [=] {
    ::execlp("nginx", "nginx", "-e", (folder + "/nginx.log").c_str(), "-c", config.c_str(), nullptr);
  });
}

Contestant Contestant::haproxy(const std::string& folder, Front front, uint16_t port, uint16_t backend) {
  const std::string speaks = front == Front::http2 ? " proto h2"
                             : front == Front::tls ? " ssl crt " + folder + "/both.pem"
                                                   : "";
  std::string config = folder + "/haproxy.cfg";
  write_file(config,
             "global\n  nbthread 1\n  maxconn 4000\ndefaults\n  mode http\n  timeout client 60s\n  timeout "
             "server 60s\n"
             "  timeout connect 3s\n  option forwardfor\n  http-reuse always\nfrontend f\n  bind 127.0.0.1:" +
                 std::to_string(port) + speaks +
                 "\n  http-request set-header X-Forwarded-Proto http\n"
                 "  http-request set-header X-Forwarded-Host %[req.hdr(host)]\n"
                 "  default_backend b\nbackend b\n  server s 127.0.0.1:" +
                 std::to_string(backend) + "\n");
  return child("haproxy", port,
               [=] { ::execlp("haproxy", "haproxy", "-db", "-q", "-f", config.c_str(), nullptr); });
}

Contestant::Contestant(Contestant&& other) noexcept
    : name_(std::move(other.name_)), port_(other.port_), pid_(std::exchange(other.pid_, 0)) {}

Contestant::~Contestant() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void Contestant::wait() const {
  for (int i = 0; i < 500; ++i) {
    int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in to{.sin_family = AF_INET, .sin_port = htons(port_), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    bool good = ::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0;
    ::close(fd);
    if (good) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  throw std::runtime_error(name_ + " does not listen");
}

uint64_t Contestant::cpu() const {
  uint64_t sum = 0;
  for (const auto& task : std::filesystem::directory_iterator("/proc/" + std::to_string(pid_) + "/task")) {
    uint64_t ran = 0;
    std::ifstream(task.path() / "schedstat") >> ran;
    sum += ran;
  }
  return sum;
}

uint64_t Contestant::memory() const {
  uint64_t pages = 0, resident = 0;
  std::ifstream("/proc/" + std::to_string(pid_) + "/statm") >> pages >> resident;
  return resident * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace weft::bench
