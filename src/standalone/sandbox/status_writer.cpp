#include "standalone/sandbox/status_writer.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>

#include "standalone/sandbox/pod_status.h"

namespace weft::standalone::sandbox {

using namespace std::chrono_literals;

namespace {

/// Versions of one kind's objects can be compared as numbers (KEP-5504); 0 if it is none.
uint64_t version_number(std::string_view text) {
  uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

}  // namespace

struct StatusWriter::Entry {
  std::string ns, name, uid, node;
  json::object on_server;
  json::object wanted;
  uint64_t version = 0;  ///< of the object that had on_server
  uint64_t basis = 0;    ///< of the object that wanted was computed from
  json::object observed;
  uint64_t observed_version = 0;

  /// Others' writes count only once they are in what we want: it has their conditions too.
  void adopt_observed() {
    if (observed_version <= version || observed_version > basis) return;
    on_server = std::move(observed);
    version = std::exchange(observed_version, 0);
  }
  bool remove = false;
  bool busy = false;
  bool gone = false;
};

struct StatusWriter::State {
  explicit State(kube::Client& c) : client(c) {}
  kube::Client& client;
  std::map<std::string, std::shared_ptr<Entry>> entries;
  std::set<std::string> held;  ///< names of nodes
  bool stopped = false;
};

StatusWriter::StatusWriter(kube::Client& client) : state_(std::make_shared<State>(client)) {}
StatusWriter::~StatusWriter() { state_->stopped = true; }

std::shared_ptr<StatusWriter::Entry> StatusWriter::entry_of(const kube::Pod& pod) {
  auto& entry = state_->entries[pod.metadata.uid];
  if (!entry) {
    entry = std::make_shared<Entry>();
    entry->ns = pod.metadata.namespace_;
    entry->name = pod.metadata.name;
    entry->uid = pod.metadata.uid;
    entry->on_server = entry->wanted = kube::encode(pod.status);
    entry->version = version_number(pod.metadata.resourceVersion);
  }
  entry->node = pod.spec.nodeName;
  return entry;
}

void StatusWriter::write(const kube::Pod& pod, const kube::PodStatus& status) {
  auto entry = entry_of(pod);
  entry->wanted = kube::encode(status);
  entry->basis = version_number(pod.metadata.resourceVersion);
  if (!entry->busy) entry->adopt_observed();
  wake(entry);
}

void StatusWriter::observe(const kube::Pod& pod) {
  auto it = state_->entries.find(pod.metadata.uid);
  if (it == state_->entries.end()) return;
  auto& entry = it->second;
  // Our own writes come back too, maybe after we wrote again.
  auto version = version_number(pod.metadata.resourceVersion);
  if (version <= entry->version) return;
  entry->observed = kube::encode(pod.status);
  entry->observed_version = version;
}

void StatusWriter::hold(const std::string& node, bool held) {
  if (held) {
    state_->held.insert(node);
    return;
  }
  state_->held.erase(node);
  for (const auto& [uid, entry] : state_->entries) {
    if (entry->node == node) wake(entry);
  }
}

void StatusWriter::remove(const kube::Pod& pod) {
  auto entry = entry_of(pod);
  entry->remove = true;
  wake(entry);
}

void StatusWriter::forget(const std::string& uid) {
  auto it = state_->entries.find(uid);
  if (it == state_->entries.end()) return;
  it->second->gone = true;
  state_->entries.erase(it);
}

void StatusWriter::wake(const std::shared_ptr<Entry>& entry) {
  if (entry->busy || state_->held.contains(entry->node)) return;
  if (entry->wanted == entry->on_server && !entry->remove) return;
  entry->busy = true;
  asio::co_spawn(state_->client.io(), work(state_, entry), asio::detached);
}

asio::awaitable<void> StatusWriter::work(std::shared_ptr<State> state, std::shared_ptr<Entry> entry) {
  const auto& pods = kube::resource_of<kube::Pod>();
  auto delay = 50ms;
  while (!state->stopped && !entry->gone && !state->held.contains(entry->node)) {
    entry->adopt_observed();
    auto wanted = entry->wanted;
    auto patch = merge_diff(entry->on_server, wanted);
    if (patch.empty() && !entry->remove) break;
    Expected<json::value> result;
    if (!patch.empty()) {
      json::object body{{"metadata", {{"uid", entry->uid}}}, {"status", std::move(patch)}};
      result = co_await state->client.merge_patch(pods, entry->ns, entry->name, std::move(body), "status");
      if (result) {
        entry->on_server = std::move(wanted);
        entry->version = version_number(kube::string_at(*result, "metadata.resourceVersion"));
      }
    } else {
      json::object options{{"kind", "DeleteOptions"},
                           {"apiVersion", "v1"},
                           {"gracePeriodSeconds", 0},
                           {"preconditions", {{"uid", entry->uid}}}};
      result = co_await state->client.remove(pods, entry->ns, entry->name, std::move(options));
      if (result) entry->gone = true;
    }
    if (result) {
      delay = 50ms;
      continue;
    }
    auto code = result.error().code;
    if (code == ErrorCode::not_found || code == ErrorCode::conflict) {
      entry->gone = true;
      break;
    }
    spdlog::warn("status of pod {}/{}: {}", entry->ns, entry->name, result.error().message);
    asio::steady_timer timer(co_await asio::this_coro::executor, delay);
    [[maybe_unused]] auto [error] = co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
    delay = std::min(delay * 2, std::chrono::milliseconds(5s));
  }
  entry->busy = false;
}

}  // namespace weft::standalone::sandbox
