#pragma once

// How a CRC32c (RFC 9260, appendix A) changes with the data it covers. The sum is linear: it takes up the sum
// of the difference, and zero bytes that follow the difference only multiply by a power of x.
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

// x^32 + x^28 + x^27 + …, with the coefficient of x^31 in the lowest bit.
#define CRC32C_POLYNOMIAL 0x82f63b78U

static __always_inline __u32 crc32c_times_x(__u32 a) { return a & 1 ? a >> 1 ^ CRC32C_POLYNOMIAL : a >> 1; }

// The product of two polynomials modulo the CRC's.
__noinline __u32 crc32c_product(__u32 a, __u32 b) {
  __u32 product = 0;
  for (int i = 0; i < 32; i++) {
    if (a & 0x80000000U) product ^= b;
    a <<= 1;
    b = crc32c_times_x(b);
  }
  return product;
}

// Four bytes differ by `difference` (as they lie in memory) and `length` bytes follow them: what to xor to
// the sum as it lies in the packet.
__noinline __u32 crc32c_change(__u32 difference, __u32 length) {
  __u32 crc = difference;
  for (int i = 0; i < 32; i++) crc = crc32c_times_x(crc);
  // x^8, then its squares: a factor for each bit of the length.
  __u32 power = 0x00800000U;
  for (int i = 0; i < 16; i++) {
    if (length >> i & 1) crc = crc32c_product(crc, power);
    power = crc32c_product(power, power);
  }
  return crc;
}
