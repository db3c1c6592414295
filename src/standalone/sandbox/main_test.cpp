#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

#include "standalone/sandbox/echo.h"
#include "standalone/sandbox/init.h"

/// The test program is its own sandbox-init and weft/echo, as the real one is.
int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);
  using namespace weft::standalone::sandbox;
  if (argc > 1 && std::strcmp(argv[1], "sandbox-init") == 0) ::_exit(run_sandbox_init());
  if (argc > 1 && std::strcmp(argv[1], "echo") == 0) {
    auto options = echo_options_from_environment();
    return options && run_echo(*options) ? 0 : 2;
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
