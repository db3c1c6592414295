#include "endpoints/slice_writer.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>
#include <vector>

#include "endpoints/slice_cache.h"
#include "kube/codec.h"

namespace weft::endpoints {

using asio::awaitable;

/// Of a Service with a thousand pods any change may touch ten slices, and an endpoint in the last of them
/// must not wait for nine answers.
template <class Slice>
awaitable<Expected<void>> SliceWriter::all(awaitable<Expected<void>> (SliceWriter::*write)(Slice),
                                           std::vector<Slice> slices) {
  if (slices.empty()) co_return Expected<void>{};
  if (slices.size() == 1) co_return co_await (this->*write)(std::move(slices[0]));
  auto executor = co_await asio::this_coro::executor;
  auto start = [&](Slice& slice) {
    return asio::co_spawn(executor, (this->*write)(std::move(slice)), asio::deferred);
  };
  std::vector<decltype(start(slices[0]))> writes;
  writes.reserve(slices.size());
  for (auto& slice : slices) writes.push_back(start(slice));
  auto [order, thrown, results] = co_await asio::experimental::make_parallel_group(std::move(writes))
                                      .async_wait(asio::experimental::wait_for_all(), asio::use_awaitable);
  for (const auto& exception : thrown) {
    if (exception) std::rethrow_exception(exception);
  }
  for (auto& result : results) WEFT_CO_CHECK(std::move(result));
  co_return Expected<void>{};
}

awaitable<Expected<void>> SliceWriter::carry_out(SliceChanges changes) {
  WEFT_CO_CHECK(co_await all(&SliceWriter::create, std::move(changes.create)));
  WEFT_CO_CHECK(co_await all(&SliceWriter::update, std::move(changes.update)));
  co_return co_await all(&SliceWriter::remove, std::move(changes.remove));
}

awaitable<Expected<void>> SliceWriter::create(kube::EndpointSlice slice) {
  const auto& resource = kube::resource_of<kube::EndpointSlice>();
  WEFT_CO_TRY(auto answer, co_await client_.create(resource, slice.metadata.namespace_, kube::encode(slice)));
  ++counters_.created;
  WEFT_CO_TRY(auto written, kube::decode<kube::EndpointSlice>(answer));
  cache_.wrote(std::make_shared<const kube::EndpointSlice>(std::move(written)));
  co_return Expected<void>{};
}

awaitable<Expected<void>> SliceWriter::update(kube::EndpointSlice slice) {
  const auto& resource = kube::resource_of<kube::EndpointSlice>();
  auto answer =
      co_await client_.update(resource, slice.metadata.namespace_, slice.metadata.name, kube::encode(slice));
  if (!answer) {
    cache_.forget(kube::object_key(slice.metadata));
    co_return std::unexpected(answer.error());
  }
  ++counters_.updated;
  WEFT_CO_TRY(auto written, kube::decode<kube::EndpointSlice>(*answer));
  cache_.wrote(std::make_shared<const kube::EndpointSlice>(std::move(written)));
  co_return Expected<void>{};
}

awaitable<Expected<void>> SliceWriter::remove(SlicePtr slice) {
  const auto& meta = slice->metadata;
  json::value options{{"preconditions", {{"uid", meta.uid}}}};
  auto answer = co_await client_.remove(kube::resource_of<kube::EndpointSlice>(), meta.namespace_, meta.name,
                                        std::move(options));
  if (!answer && answer.error().code != ErrorCode::not_found) {
    cache_.forget(kube::object_key(meta));
    co_return std::unexpected(answer.error());
  }
  ++counters_.removed;
  cache_.removed(slice);
  co_return Expected<void>{};
}

bool is_pointless(const Error& error) {
  return error.code == ErrorCode::forbidden && error.message.find("being terminated") != std::string::npos;
}

bool is_outdated(const Error& error) {
  return error.code == ErrorCode::conflict || error.code == ErrorCode::not_found;
}

}  // namespace weft::endpoints
