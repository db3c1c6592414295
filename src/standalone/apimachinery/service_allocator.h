#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "base/ip.h"
#include "kube/json.h"
#include "standalone/apimachinery/address_pool.h"
#include "standalone/apimachinery/field_error.h"

namespace weft::standalone {

struct ServiceRanges {
  /// One prefix a family; the first is the cluster's primary family.
  std::vector<IpPrefix> cluster_ips;
  uint16_t first_node_port = 30000;
  uint16_t last_node_port = 32767;
  Choosing choosing = Choosing::by_chance;  ///< of what nobody asks for
};

/// Gives Services their cluster IPs and node ports as kube-apiserver does: addresses and ports that are asked
/// for, bands for static and dynamic ones (KEP-3070, KEP-3668), dual stack (KEP-563), all of a request or
/// nothing. It only knows what is in use; the truth is the stored Services. Not thread-safe: it belongs to
/// the server's thread. It must outlive its transactions.
class ServiceAllocator {
 public:
  explicit ServiceAllocator(ServiceRanges ranges);
  ~ServiceAllocator();
  ServiceAllocator(ServiceAllocator&&) noexcept;
  ServiceAllocator& operator=(ServiceAllocator&&) noexcept;

  /// What one request took. Taken addresses are in use from `allocate` on; without `commit` the destructor
  /// gives them back. `commit` (after the object is stored) gives back what the old state had and the new one
  /// has not.
  class Transaction {
   public:
    Transaction(Transaction&&) noexcept;
    Transaction& operator=(Transaction&&) noexcept;
    ~Transaction();
    void commit();
    void rollback();

   private:
    friend class ServiceAllocator;
    struct State;
    explicit Transaction(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
  };

  /// Completes `service` (defaulted) in place: clusterIP and clusterIPs, ipFamilies and ipFamilyPolicy,
  /// nodePorts, healthCheckNodePort; an update takes over what `old` had and the new state left out, and
  /// drops what its type does not have. `old`: the stored state, null for a new Service. On failure `service`
  /// is of no use.
  std::expected<Transaction, FieldErrors> allocate(json::value& service, const json::value& old);

  /// What this Service asks for is given to nobody who does not.
  void keep(const json::value& service);

  /// A stored Service is gone.
  void release(const json::value& service);

  /// Marks what a stored Service has as in use, at start. What cannot be marked (outside the ranges, or used
  /// twice) comes back as one line each; the Service keeps it.
  std::vector<std::string> restore(const json::value& service);

  /// How many addresses of a family or node ports are in use, for metrics and tests.
  size_t used_cluster_ips(bool v4) const;
  size_t used_node_ports() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace weft::standalone
