#include "endpoints/slice_writer.h"

#include "endpoints/slice_cache.h"
#include "kube/codec.h"

namespace weft::endpoints {

using asio::awaitable;

awaitable<Expected<void>> SliceWriter::carry_out(SliceChanges changes) {
  for (auto& slice : changes.create) WEFT_CO_CHECK(co_await create(std::move(slice)));
  for (auto& slice : changes.update) WEFT_CO_CHECK(co_await update(std::move(slice)));
  for (auto& slice : changes.remove) WEFT_CO_CHECK(co_await remove(std::move(slice)));
  co_return Expected<void>{};
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
