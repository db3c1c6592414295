#include "standalone/apiserver/own_service.h"

namespace weft::standalone {

json::object own_service(const ServiceRanges& ranges) {
  const auto& range = ranges.cluster_ips.front();
  auto address = range.base().plus(1).str();
  return {{"apiVersion", "v1"},
          {"kind", "Service"},
          {"metadata",
           {{"name", "kubernetes"},
            {"namespace", "default"},
            {"labels", {{"component", "apiserver"}, {"provider", "kubernetes"}}}}},
          {"spec",
           {{"clusterIP", address},
            {"clusterIPs", json::array{address}},
            {"ipFamilies", json::array{range.addr.is_v4() ? "IPv4" : "IPv6"}},
            {"ipFamilyPolicy", "SingleStack"},
            {"ports", json::array{{{"name", "https"}, {"port", 443}, {"targetPort", 6443}}}}}}};
}

}  // namespace weft::standalone
