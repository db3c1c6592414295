#include "ui/site.h"

#include <fmt/core.h>

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <iterator>

#include "kube/time.h"
#include "ui/overlay.h"
#include "ui/page.h"
#include "ui/query.h"
#include "ui/question.h"

namespace weft::ui {
namespace {

using Clock = std::chrono::steady_clock;

/// How far back the map looks.
constexpr std::chrono::minutes kWindow{5};
/// A failure stands out for so long, though connections have been made after it.
constexpr std::chrono::seconds kLately{60};
/// The objects are read again when they are as old as that, or as it took to read them so many times.
constexpr std::chrono::milliseconds kFresh{1000};
constexpr int kRest = 5;
/// How often a client is told of new flows, and that there are none.
constexpr std::chrono::milliseconds kTellEvery{250};
constexpr std::chrono::seconds kBeatEvery{5};
/// Of those from before, in the first answer.
constexpr size_t kMostBefore = 200;

http::Answer json_answer(const json::value& value, unsigned status = 200) {
  return {.status = status,
          .content_type = "application/json",
          .headers = {},
          .body = json::serialize(value),
          .more = {}};
}

http::Answer refusal(const Error& error) {
  const bool wrong = error.code == ErrorCode::invalid || error.code == ErrorCode::not_found ||
                     error.code == ErrorCode::bad_request;
  return json_answer(json::object{{"error", error.message}}, wrong ? 400 : 503);
}

std::string ago(std::chrono::microseconds time) { return kube::format_micro_time(kube::now_point() - time); }

}  // namespace

Site::Site(asio::io_context& io, SiteOptions options, std::shared_ptr<FlowLog> flows)
    : io_(io), options_(std::move(options)), flows_(std::move(flows)) {}

Expected<std::shared_ptr<const Site::Picture>> Site::read() const {
  WEFT_TRY(auto objects, options_.read());
  auto out = std::make_shared<Picture>();
  out->documents = std::move(objects.documents);
  WEFT_TRY(out->world, trace::build_world(out->documents, objects.machinery));
  std::ranges::move(objects.notes, std::back_inserter(out->world->notes));
  return out;
}

Expected<std::shared_ptr<const Site::Picture>> Site::picture() {
  const auto start = Clock::now();
  if (picture_ && start < good_until_) return picture_;
  auto now = read();
  const auto end = Clock::now();
  good_until_ = end + std::max<Clock::duration>(kFresh, (end - start) * kRest);
  if (!now) return now;
  picture_ = std::move(*now);
  return picture_;
}

Expected<std::shared_ptr<const Site::Picture>> Site::picture_with(const std::string& manifests) {
  WEFT_TRY(auto pasted, kube::parse_yaml(manifests, "manifests"));
  WEFT_TRY(auto now, picture());
  auto out = std::make_shared<Picture>();
  WEFT_TRY(out->documents, lay_over(now->documents, std::move(pasted)));
  WEFT_TRY(out->world, trace::build_world(out->documents, options_.offline(out->documents)));
  out->world->notes.insert(out->world->notes.begin(), "as if the manifests had been applied");
  return out;
}

/// It may take longer than to read the objects, and is as good as they are.
const ServiceMap& Site::declared(const std::shared_ptr<const Picture>& picture) {
  if (declared_of_ == picture) return declared_;
  const auto start = Clock::now();
  declared_ = declared_map(*picture->world);
  declared_of_ = picture;
  const auto end = Clock::now();
  good_until_ = std::max(good_until_, end + (end - start) * kRest);
  return declared_;
}

http::Answer Site::map() {
  auto now = picture();
  if (!now) return refusal(now.error());
  const auto& world = *(*now)->world;
  auto map = declared(*now);
  add_flows(map, world, flows_->from(ago(kWindow)));
  auto out = to_json(map, ago(kLately));
  auto& notes = out["notes"].as_array();
  for (const auto& note : world.notes) notes.emplace_back(note);
  out["title"] = options_.title;
  auto problem = options_.without_flows.empty() ? flows_->problem() : options_.without_flows;
  out["flows"] = json::object{{"seen", options_.without_flows.empty()}, {"problem", problem}};
  return json_answer(out);
}

Expected<json::object> Site::trace_of(const json::value& question) {
  auto manifests = std::string(kube::string_at(question, "manifests"));
  const bool pasted = manifests.find_first_not_of(" \t\r\n") != manifests.npos;
  WEFT_TRY(auto seen, pasted ? picture_with(manifests) : picture());
  WEFT_TRY(auto trace, ask(*seen->world, question));
  auto out = trace.to_json();
  out["exit"] = trace.exit_code();
  return out;
}

http::Answer Site::trace(const std::string& body) {
  boost::system::error_code error;
  auto question = json::parse(body, error);
  if (error || !question.is_object())
    return refusal({ErrorCode::bad_request, "the question is no JSON object"});
  auto answer = trace_of(question);
  return answer ? json_answer(*answer) : refusal(answer.error());
}

/// Server-sent events: a flow each.
http::Answer Site::flows(const http::Request& request) const {
  auto filter = filter_of(request.query);
  if (!filter) return refusal(filter.error());
  auto more = [filter = std::move(*filter), log = flows_,
               &io = io_](http::Stream& stream) -> asio::awaitable<void> {
    asio::steady_timer timer(io);
    uint64_t next = 0;
    auto silent_since = Clock::now();
    for (bool first = true;; first = false) {
      auto news = log->since(next);
      next = news.next;
      std::erase_if(news.flows, [&](const FlowPtr& flow) { return !filter.wants(*flow); });
      if (first && news.flows.size() > kMostBefore)
        news.flows.erase(news.flows.begin(), news.flows.end() - static_cast<std::ptrdiff_t>(kMostBefore));
      std::string text;
      for (const auto& flow : news.flows) text += fmt::format("data: {}\n\n", json::serialize(*flow));
      // Whether the client is still there only those find out who write.
      if (text.empty() && (first || Clock::now() - silent_since > kBeatEvery)) text = ":\n\n";
      if (!text.empty()) {
        silent_since = Clock::now();
        if (!co_await stream.write(std::move(text))) co_return;
      }
      timer.expires_after(kTellEvery);
      auto [error] = co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
      if (error) co_return;
    }
  };
  return {.content_type = "text/event-stream", .headers = {}, .body = {}, .more = std::move(more)};
}

void Site::stop() {
  worker_.stop();
  worker_.join();
}

asio::awaitable<http::Answer> Site::answer(http::Request request) {
  const bool post = request.method == "POST";
  if (request.path == "/api/trace") {
    if (!post) co_return json_answer(json::object{{"error", "ask with POST"}}, 405);
    if (!request.content_type.starts_with("application/json"))
      co_return json_answer(json::object{{"error", "a question is of application/json"}}, 415);
  } else if (post) {
    co_return http::Answer{.status = 405, .headers = {}, .body = "only GET and HEAD\n", .more = {}};
  }
  if (request.path == "/api/flows") co_return flows(request);
  if (request.path == "/api/map" || request.path == "/api/trace") {
    auto work = [this, request = std::move(request)]() -> asio::awaitable<http::Answer> {
      co_return request.path == "/api/map" ? map() : trace(request.body);
    };
    co_return co_await asio::co_spawn(worker_, work, asio::use_awaitable);
  }
  for (const auto& file : page_files()) {
    if (file.path == request.path)
      co_return http::Answer{
          .content_type = std::string(file.type), .headers = {}, .body = std::string(file.text), .more = {}};
  }
  co_return http::Answer{.status = 404, .headers = {}, .body = "not found\n", .more = {}};
}

http::Handler handler_of(std::shared_ptr<Site> site, std::shared_ptr<const Gate> gate) {
  return [site = std::move(site),
          gate = std::move(gate)](http::Request request) -> asio::awaitable<http::Answer> {
    http::Answer out;
    if (auto refused = gate->refuse(request)) {
      out = std::move(*refused);
    } else {
      const auto asked = request;
      out = co_await site->answer(std::move(request));
      gate->let_in(asked, out);
    }
    // Nothing from elsewhere, nothing inside the page's text, and in nobody's frame.
    out.headers.emplace_back(
        "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    out.headers.emplace_back("X-Content-Type-Options", "nosniff");
    out.headers.emplace_back("Referrer-Policy", "no-referrer");
    out.headers.emplace_back("Cross-Origin-Opener-Policy", "same-origin");
    out.headers.emplace_back("Cross-Origin-Resource-Policy", "same-origin");
    out.headers.emplace_back("Cache-Control", "no-store");
    co_return out;
  };
}

}  // namespace weft::ui
