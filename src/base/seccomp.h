#pragma once

#include "base/error.h"

namespace weft {

/// For processes that only speak over sockets: takes from the calling process, for good and for all threads
/// that it makes from now on, the system calls that start programs, enter namespaces, mount, load code into
/// the kernel or look into other processes. They fail with EPERM. Call it before making threads.
Expected<void> give_up_system_calls();

}  // namespace weft
