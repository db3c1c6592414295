#pragma once

#include <boost/asio/awaitable.hpp>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "kube/client/client.h"
#include "kube/node.h"
#include "kube/service.h"
#include "service/compare.h"
#include "service/plan.h"

/// What commands have in common that set what kernels have beside what the API asks for.
namespace weft::cmd {

/// What the API says.
struct Declared {
  std::vector<kube::Node> nodes;
  std::vector<std::shared_ptr<const kube::Service>> services;
  std::map<std::string, std::vector<service::SlicePtr>> slices;  ///< by Service
};

/// All objects of a kind, or those of a namespace.
template <class T>
asio::awaitable<Expected<std::vector<T>>> list_all(kube::Client& client, std::string namespace_ = "") {
  WEFT_CO_TRY(auto list, co_await client.list(kube::resource_of<T>(), namespace_));
  std::vector<T> out;
  const auto* items = kube::member(list, "items");
  if (!items || !items->is_array()) co_return out;
  for (const auto& item : items->get_array()) {
    WEFT_CO_TRY(auto object, kube::decode<T>(item));
    out.push_back(std::move(object));
  }
  co_return out;
}

asio::awaitable<Expected<Declared>> read_declared(kube::Client& client);

/// Computes the plan of one node anew and compares it with what is pinned under its `bpf_dir`.
Expected<std::vector<service::Way>> compare_node(const Declared& declared, const kube::Node& node,
                                                 const std::string& bpf_dir);

/// Of a node of a cluster that `weft up` made.
std::string bpf_dir_of(const std::string& cluster, const std::string& node);
/// The first InternalIP; nothing if it has none.
std::optional<IpAddr> address_of(const kube::Node& node);

}  // namespace weft::cmd
