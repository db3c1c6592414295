#include "gateway/proxy/stream_record.h"

#include <utility>

namespace weft::gateway {

void StreamRecord::begin(About about, ListenerCounters& counters, uint64_t now) {
  about_ = std::move(about);
  counters_ = &counters;
  started_ = now;
  client_ = about_.client.str();
  counters.streams.add(1);
  counters.streams_active.add(1);
}

void StreamRecord::end(uint64_t now) {
  duration_ = now - started_;
  counters_->streams_active.sub(1);
  counters_->count(flag_);
}

AccessEntry StreamRecord::entry() const {
  AccessEntry entry;
  entry.time_ms = wall_clock_ms();
  entry.protocol = about_.protocol == Protocol::udp   ? "udp"
                   : about_.protocol == Protocol::tls ? "tls"
                                                      : "tcp";
  entry.client = client_;
  entry.authority = about_.server_name;
  if (about_.port) entry.gateway = about_.port->config().gateway;
  if (about_.listener) entry.listener = about_.listener->why.section;
  if (about_.route) entry.route = &about_.route->why;
  if (endpoint_.port != 0) entry.backend = &endpoint_;
  entry.bytes_in = bytes_in_;
  entry.bytes_out = bytes_out_;
  entry.duration_ms = duration_;
  entry.flag = flag_;
  return entry;
}

}  // namespace weft::gateway
