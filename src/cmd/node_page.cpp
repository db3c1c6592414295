#include "cmd/node_page.h"

#include <fmt/core.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>

#include "base/http/client.h"
#include "base/netns.h"

namespace weft::cmd {
namespace {

constexpr uint16_t kMetricsPort = 10249;
constexpr std::chrono::seconds kPatience{3};

}  // namespace

Expected<std::string> agent_page(const std::string& cluster, const std::string& node,
                                 const std::string& path) {
  WEFT_TRY(auto inside, InNetns::enter(netns_path(fmt::format("weft-{}-{}", cluster, node))));
  asio::io_context io(1);
  Expected<http::Response> answer = fail(ErrorCode::internal, "not asked");
  asio::co_spawn(io, http::get(io, {*IpAddr::parse("127.0.0.1"), kMetricsPort}, path, kPatience),
                 [&](const std::exception_ptr& thrown, Expected<http::Response> result) {
                   if (thrown) std::rethrow_exception(thrown);
                   answer = std::move(result);
                 });
  io.run();
  if (!answer) return std::unexpected(answer.error());
  if (answer->status != 200)
    return fail(ErrorCode::unavailable, fmt::format("it answers {}", answer->status));
  return std::move(answer->body);
}

}  // namespace weft::cmd
