#include "policy/domain_keeper.h"

#include <algorithm>

#include "base/log.h"

namespace weft::policy {

using namespace std::chrono_literals;

namespace {

/// Expiries come in groups, and who talks with whom costs a look at all sockets.
constexpr auto kExpireEvery = 1s;

DomainTable::Time now() { return std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now()); }

}  // namespace

DomainKeeper::DomainKeeper(boost::asio::io_context& io, PolicyPlan& plan, Hooks hooks)
    : plan_(plan), hooks_(std::move(hooks)), timer_(io) {}

Expected<std::unique_ptr<DomainKeeper>> DomainKeeper::start(boost::asio::io_context& io,
                                                            DomainOptions options, PolicyPlan& plan,
                                                            Hooks hooks) {
  std::unique_ptr<DomainKeeper> keeper(new DomainKeeper(io, plan, std::move(hooks)));
  if (options.socket.empty()) return keeper;
  WEFT_TRY(keeper->file_, DomainFile::open(options.file, keeper->table_));
  for (const auto& known : keeper->table_.all()) plan.put_domain_address(known.name, known.address);
  WEFT_TRY(keeper->server_,
           DomainServer::listen(io, {.socket = options.socket,
                                     .user = options.user,
                                     .on_answer =
                                         [keeper = keeper.get()](const auto& answer, auto in_force) {
                                           keeper->take(answer, std::move(in_force));
                                         },
                                     .on_serving = std::move(options.on_serving)}));
  return keeper;
}

void DomainKeeper::names_changed() {
  if (!server_) return;
  std::vector<std::string> names;
  for (const auto& entry : plan_.domains()) names.push_back(entry.first);
  server_->ask_for(std::move(names));
  if (!std::exchange(begun_, true)) wait();
}

bool DomainKeeper::is_asked(const std::string& name) const {
  bool found = false;
  domain_feed::for_each_pattern(
      name, [&](const std::string& pattern) { found = found || plan_.domains().contains(pattern); });
  return found;
}

void DomainKeeper::take(const domain_feed::Answer& answer, std::function<void()> in_force) {
  // Before all policies are known, what an earlier agent asked for is taken as asked for.
  if (begun_ && !is_asked(answer.name)) return in_force();
  auto learned = table_.learn(answer.name, answer.addresses, now());
  without_room_ += learned.no_room;
  if (learned.no_room > 0)
    spdlog::warn("{}: no room for {} of its addresses: policies that go by the name do not know them",
                 answer.name, learned.no_room);
  write(learned.changed);
  wait();
  for (const auto& known : learned.added) plan_.put_domain_address(known.name, known.address);
  if (!learned.added.empty()) hooks_.changed();
  hooks_.when_in_force(std::move(in_force));
}

/// Before it is in force: an agent that is killed now leaves nothing in the kernel that the next one takes
/// back.
void DomainKeeper::write(std::span<const KnownDomain> changed) {
  if (auto kept = file_->append(changed, table_); !kept)
    spdlog::error("{}; another agent would not know what names were answered to have", kept.error().message);
}

void DomainKeeper::wait() {
  auto next = table_.next_expiry();
  if (!next || !begun_ || (wakes_at_ && *wakes_at_ <= *next)) return;
  wakes_at_ = next;
  timer_.expires_after(std::max<std::chrono::steady_clock::duration>(*next - now(), kExpireEvery));
  timer_.async_wait([this](boost::system::error_code error) {
    if (!error) expire();
  });
}

void DomainKeeper::expire() {
  wakes_at_.reset();
  auto expired = table_.expired(now());
  Expected<std::set<IpAddr>> in_use;
  if (!expired.empty()) in_use = hooks_.in_use();
  if (!in_use)
    spdlog::warn("addresses of names stay, as who uses them is not known: {}", in_use.error().message);
  bool removed = false;
  for (auto& known : expired) {
    table_.remove(known);
    if (!in_use || in_use->contains(known.address)) {
      known.until = now() + domain_feed::kGrace;
      table_.restore(known);
    } else {
      known.until = {};
      plan_.erase_domain_address(known.name, known.address);
      removed = true;
    }
  }
  write(expired);
  if (removed) hooks_.changed();
  wait();
}

}  // namespace weft::policy
