// The policy maps alone, for the loader that makes and pins them; the programs that use them are the edge's.
#include "datapath/bpf/policy_maps.h"

char _license[] SEC("license") = "GPL";
