#include "service/dump.h"

#include <arpa/inet.h>

#include <algorithm>
#include <tuple>

#include "service/image.h"

namespace weft::service {

namespace {

std::vector<ProgrammedFrontend::Target> targets(const Image& image, uint32_t number, uint32_t count) {
  std::vector<ProgrammedFrontend::Target> out;
  auto set = image.sets().find(number);
  for (uint32_t i = 0; set != image.sets().end() && i < count && i < set->second.size(); ++i) {
    const auto& slot = set->second[i];
    uint8_t bytes[16];
    std::copy(slot.address.addr.begin(), slot.address.addr.end(), bytes);
    out.push_back({slot.id, addr_of(bytes), ntohs(slot.address.port)});
  }
  return out;
}

}  // namespace

Expected<std::vector<ProgrammedFrontend>> dump_frontends(const std::string& bpf_dir) {
  WEFT_TRY(auto maps, datapath::open_service_maps(bpf_dir));
  WEFT_TRY(auto image, Image::load(maps));
  std::vector<ProgrammedFrontend> out;
  for (const auto& [key, value] : image.frontends()) {
    ProgrammedFrontend frontend;
    frontend.addr = addr_of(key.addr);
    frontend.port = ntohs(key.port);
    frontend.protocol = static_cast<Protocol>(key.protocol);
    frontend.whole_address = value.flags & WEFT_FRONTEND_ADDRESS;
    frontend.drop_when_empty = value.flags & WEFT_FRONTEND_DROP;
    frontend.set = value.set;
    frontend.affinity_seconds = value.affinity_seconds;
    frontend.backends = targets(image, value.set, value.count);
    frontend.edge_backends = targets(image, value.edge_set, value.edge_count);
    out.push_back(std::move(frontend));
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) {
    return std::tie(a.addr, a.port, a.protocol) < std::tie(b.addr, b.port, b.protocol);
  });
  return out;
}

}  // namespace weft::service
