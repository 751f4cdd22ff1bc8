// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/soft-gpu/isa/oracle/input_values.h"

#include <algorithm>

namespace farlane::soft::isa {

using ptx::Type;

namespace {

std::vector<uint64_t> IntegerEdges(unsigned bits) {
  std::vector<uint64_t> edges = {0,  1,  2,  3,  7,  8,  15, 16,  23,
                                 24, 31, 32, 33, 63, 64, 65, 255, 256};
  for (const unsigned at : {bits / 2, bits - 1}) {
    const uint64_t power = uint64_t{1} << at;
    edges.insert(edges.end(), {power - 1, power, power + 1});
  }
  const uint64_t pattern = 0x0123456789abcdef;
  edges.insert(edges.end(), {~uint64_t{0}, ~uint64_t{1}, ~uint64_t{30}, pattern, ~pattern,
                             0x8040201008040201, 0x0000ffff00ff0ff0});
  return edges;
}

// Around every place where the format changes its behaviour. `finer` bits below the last one stand
// for what a conversion to a shorter format cuts off.
std::vector<uint64_t> FloatEdges(const FloatFormat& format) {
  const uint64_t one = ExactNumber::FromInteger(false, 1).ToBits(format, Rounding::kZero);
  const uint64_t step = uint64_t{1} << format.fraction_bits;  // of the exponent
  std::vector<uint64_t> edges = {0,
                                 1,
                                 2,
                                 format.fraction_mask(),
                                 format.fraction_mask() >> 1,
                                 step,
                                 step + 1,
                                 2 * step,
                                 one - 1,
                                 one,
                                 one + 1,
                                 one - step,
                                 one + step / 2,
                                 one + step,
                                 one + step + step / 4,
                                 format.max_finite(),
                                 format.max_finite() - 1,
                                 format.max_finite() - step};
  if (format.top == TopExponent::kIeee) {
    edges.insert(edges.end(),
                 {format.exponent_mask(), format.exponent_mask() + 1, format.canonical_nan()});
  }
  return edges;
}

// Ends of the integers, in f32 and f64, and a step beyond.
std::vector<uint64_t> IntegerEndsAsFloats(const FloatFormat& format) {
  std::vector<uint64_t> edges;
  for (const unsigned bits : {8, 16, 32, 64}) {
    const auto top = ExactNumber::Make(false, 1, static_cast<int>(bits), false);
    const uint64_t at = top.ToBits(format, Rounding::kZero);
    const uint64_t half = at - (uint64_t{1} << format.fraction_bits);
    edges.insert(edges.end(), {at, at - 1, half, half - 1, half + 1});
  }
  return edges;
}

// Numbers right between two of a shorter format, and next to that.
std::vector<uint64_t> HalfwayEdges(const FloatFormat& format) {
  std::vector<uint64_t> edges;
  const uint64_t one = ExactNumber::FromInteger(false, 1).ToBits(format, Rounding::kZero);
  for (const unsigned kept : {1u, 2u, 3u, 7u, 10u, 23u}) {
    if (kept >= format.fraction_bits) {
      continue;
    }
    const uint64_t half = uint64_t{1} << (format.fraction_bits - kept - 1);
    edges.insert(edges.end(), {one + half, one + half - 1, one + half + 1, one + 3 * half});
  }
  return edges;
}

std::vector<uint64_t> WithBothSigns(std::vector<uint64_t> edges, const FloatFormat& format) {
  const size_t count = edges.size();
  for (size_t i = 0; i < count; ++i) {
    edges.push_back(edges[i] | format.sign_bit());
  }
  return edges;
}

std::vector<uint64_t> Packed(const std::vector<uint64_t>& elements, unsigned bits, unsigned count) {
  std::vector<uint64_t> edges;
  for (size_t i = 0; i < elements.size(); ++i) {
    uint64_t joined = 0;
    for (unsigned lane = 0; lane < count; ++lane) {
      joined |= Truncate(elements[(i + lane * 7) % elements.size()], bits) << (lane * bits);
    }
    edges.push_back(joined);
  }
  return edges;
}

uint64_t RandomFloat(const FloatFormat& format, std::mt19937_64& random) {
  const uint64_t one = ExactNumber::FromInteger(false, 1).ToBits(format, Rounding::kZero);
  const uint64_t sign = (random() & 1) != 0 ? format.sign_bit() : 0;
  const uint64_t fraction = random() & format.fraction_mask();
  switch (random() % 8) {
    case 0:
      return Truncate(random(), format.bits());
    case 1:  // subnormal, or nearly
      return sign | (fraction >> (random() % format.fraction_bits));
    case 2:  // few bits: sums and products are exact or halfway
      return sign | (one + ((random() % 24) << format.fraction_bits) +
                     (fraction & ~(format.fraction_mask() >> 3)));
    case 3: {  // halfway for some shorter format, or right beside
      const unsigned cut = static_cast<unsigned>(random() % format.fraction_bits);
      const uint64_t tie = (fraction >> cut << cut) | (cut == 0 ? 0 : uint64_t{1} << (cut - 1));
      const uint64_t beside = tie + random() % 3 - 1;
      const uint64_t exponent =
          (random() & format.exponent_mask()) & ~(uint64_t{1} << format.fraction_bits);
      return sign | exponent | (beside & format.fraction_mask());
    }
    default: {  // ordinary, not far from 1
      const uint64_t shift = random() % 40;
      return sign | ((one + (shift << format.fraction_bits) -
                      (uint64_t{20} << format.fraction_bits) + fraction) &
                     ~format.sign_bit());
    }
  }
}

uint64_t RandomInteger(unsigned bits, std::mt19937_64& random) {
  const uint64_t value = random();
  switch (random() % 4) {
    case 0:
      return value % 70;
    case 1:
      return ~(value >> (64 - bits + random() % bits));
    default:
      return value >> (random() % 2 == 0 ? 0 : 64 - bits + random() % bits);
  }
}

}  // namespace

std::vector<uint64_t> EdgesOf(Type type) {
  if (type == Type::kPred) {
    return {0, 1};
  }
  const Packing packing = PackingOf(type);
  if (packing.count > 1) {
    const unsigned bits = ptx::BitsOf(type) / packing.count;
    return Packed(EdgesOf(packing.element), bits, packing.count);
  }
  const FloatFormat format = FormatOf(type);
  if (format.exponent_bits == 0) {
    return IntegerEdges(std::max(ptx::BitsOf(type), 4u));
  }
  std::vector<uint64_t> edges = FloatEdges(format);
  return WithBothSigns(std::move(edges), format);
}

uint64_t RandomOf(Type type, std::mt19937_64& random) {
  const Packing packing = PackingOf(type);
  if (packing.count > 1) {
    const unsigned bits = ptx::BitsOf(type) / packing.count;
    const uint64_t low = Truncate(RandomOf(packing.element, random), bits);
    return low | Truncate(RandomOf(packing.element, random), bits) << bits;
  }
  const FloatFormat format = FormatOf(type);
  return format.fraction_bits == 0 ? RandomInteger(std::max(ptx::BitsOf(type), 4u), random)
                                   : RandomFloat(format, random);
}

std::vector<Inputs> CasesFor(std::span<const Type> types, unsigned randoms, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Inputs> cases;
  const auto add = [&](auto value_of) {
    Inputs inputs;
    for (size_t i = 0; i < kInputsMax; ++i) {
      inputs[i] = i < types.size() ? value_of(i) : random();
    }
    cases.push_back(inputs);
  };
  std::vector<std::vector<uint64_t>> edges;
  for (const Type type : types) {
    edges.push_back(EdgesOf(type));
  }
  if (types.size() == 1) {
    const FloatFormat format = FormatOf(types[0]);
    if (format.exponent_bits != 0) {
      for (const auto& more : {IntegerEndsAsFloats(format), HalfwayEdges(format)}) {
        const std::vector<uint64_t> both = WithBothSigns(more, format);
        edges[0].insert(edges[0].end(), both.begin(), both.end());
      }
    }
    for (const uint64_t edge : edges[0]) {
      add([&](size_t) { return edge; });
    }
  } else {
    // All pairs of the first two; the others take what comes.
    for (const uint64_t a : edges[0]) {
      for (const uint64_t b : edges[1]) {
        add([&](size_t i) {
          return i == 0 ? a : i == 1 ? b : edges[i][random() % edges[i].size()];
        });
      }
    }
  }
  for (unsigned n = 0; n < randoms; ++n) {
    // Mostly random; now and then an edge among them.
    add([&](size_t i) {
      return random() % 4 == 0 ? edges[i][random() % edges[i].size()] : RandomOf(types[i], random);
    });
  }
  return cases;
}

}  // namespace farlane::soft::isa
