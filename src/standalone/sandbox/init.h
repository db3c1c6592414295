#pragma once

namespace weft::standalone::sandbox {

/// `weft sandbox-init`: the first process of a container, started by spawn_container and by nobody else.
/// Reads its ContainerSpec from descriptor 3, enters the namespaces, makes the mounts and runs the
/// container's program as a child, whose signals and orphans it looks after. Returns its exit code (128 + N
/// after signal N). What goes wrong before the program runs is written to descriptor 4 as one line.
int run_sandbox_init();

}  // namespace weft::standalone::sandbox
