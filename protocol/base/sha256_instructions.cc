// SPDX-License-Identifier: Apache-2.0
#include "protocol/base/sha256_instructions.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace farlane {

#if defined(__x86_64__)

namespace {

constexpr unsigned kFeatureLeaf = 7;
constexpr unsigned kShaBit = 1u << 29;  // of ebx

bool AskProcessor() {
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  return __builtin_cpu_supports("sse4.1") != 0 &&
         __get_cpuid_count(kFeatureLeaf, 0, &eax, &ebx, &ecx, &edx) != 0 && (ebx & kShaBit) != 0;
}

const __m128i* At(const void* bytes) {
  return static_cast<const __m128i*>(bytes);
}

}  // namespace

bool HasSha256Instructions() {
  static const bool has = AskProcessor();
  return has;
}

// The instructions keep the state in another order than the standard: a b e f and c d g h.
[[gnu::target("sha,sse4.1")]] void CompressByInstructions(Sha256State* state,
                                                          const std::byte* data,
                                                          size_t blocks) {
  const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
  const __m128i cdab = _mm_shuffle_epi32(_mm_loadu_si128(At(state->data())), 0xb1);
  const __m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128(At(state->data() + 4)), 0x1b);
  __m128i abef = _mm_alignr_epi8(cdab, efgh, 8);
  __m128i cdgh = _mm_blend_epi16(efgh, cdab, 0xf0);
  for (; blocks != 0; --blocks, data += 64) {
    const __m128i abef_before = abef;
    const __m128i cdgh_before = cdgh;
    __m128i w[4];  // the last sixteen words of the schedule
    for (int i = 0; i < 4; ++i) {
      w[i] = _mm_shuffle_epi8(_mm_loadu_si128(At(data + 16 * i)), big_endian);
    }
#pragma GCC unroll 16
    for (int four = 0; four < 16; ++four) {
      __m128i& now = w[four % 4];
      const __m128i last = w[(four + 3) % 4];
      if (four >= 4) {
        const __m128i seventh = _mm_alignr_epi8(last, w[(four + 2) % 4], 4);
        const __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(now, w[(four + 1) % 4]), seventh);
        now = _mm_sha256msg2_epu32(sum, last);
      }
      const __m128i add = _mm_add_epi32(now, _mm_loadu_si128(At(kSha256Rounds + 4 * four)));
      cdgh = _mm_sha256rnds2_epu32(cdgh, abef, add);
      abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(add, 0x0e));
    }
    abef = _mm_add_epi32(abef, abef_before);
    cdgh = _mm_add_epi32(cdgh, cdgh_before);
  }
  const __m128i feba = _mm_shuffle_epi32(abef, 0x1b);
  const __m128i dchg = _mm_shuffle_epi32(cdgh, 0xb1);
  auto* const to = reinterpret_cast<__m128i*>(state->data());
  _mm_storeu_si128(to, _mm_blend_epi16(feba, dchg, 0xf0));
  _mm_storeu_si128(to + 1, _mm_alignr_epi8(dchg, feba, 8));
}

#else

bool HasSha256Instructions() {
  return false;
}

void CompressByInstructions(Sha256State*, const std::byte*, size_t) {}

#endif

}  // namespace farlane
