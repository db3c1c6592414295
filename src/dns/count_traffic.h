#pragma once

#include <chrono>
#include <span>
#include <string>

#include "dns/codec.h"
#include "dns/counters.h"
#include "dns/responder.h"
#include "dns/socket.h"

namespace weft::dns {

/// A question that is about to be answered.
void count_question(Counters& counters, Transport transport, bool v6, Type type);
/// The bytes of its answer, and how long they took.
void count_answer(Counters& counters, std::span<const uint8_t> answer,
                  std::chrono::steady_clock::duration took);

/// One line: who asked what over which transport, the code, how long it took. Empty when there is no question
/// in the answer.
std::string describe_answer(const SocketAddress& client, Transport transport, std::span<const uint8_t> answer,
                            std::chrono::steady_clock::duration took);

/// "A", "SRV"; "TYPE64" without a name here.
std::string type_name(Type type);

}  // namespace weft::dns
