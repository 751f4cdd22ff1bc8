// SPDX-License-Identifier: Apache-2.0
// A client that takes device memory in every way that there is, as it is told on standard input, a
// line each, answered with a line each; or at random, with several threads.
#include <algorithm>
#include <iostream>
#include <random>
#include <sstream>
#include <string>
#include <thread>

#include "tests/system/client/program/cases.h"
#include "tests/system/client/program/claims.h"

namespace farlane::cases {
namespace {

// Random claims of one thread: takes until it is refused, or has much; lets go of some.
struct Storm {
  uint64_t refused = 0;
  uint64_t taken = 0;
  uint64_t wrong = 0;

  void Run(CUcontext context, uint64_t seed, uint64_t operations) {
    std::mt19937_64 random(seed);
    CUstream stream = nullptr;
    std::vector<Claim> claims;
    EXPECT_OK(Cuda().cuCtxSetCurrent(context));
    EXPECT_OK(Cuda().cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    for (uint64_t i = 0; i < operations; ++i) {
      Step(random, stream, &claims);
    }
    for (const Claim& claim : claims) {
      Drop(claim, stream);
    }
  }

  void Step(std::mt19937_64& random, CUstream stream, std::vector<Claim>* claims) {
    if (!claims->empty() && (random() % 2 == 0 || claims->size() > 8)) {
      std::swap((*claims)[random() % claims->size()], claims->back());
      Drop(claims->back(), stream);
      claims->pop_back();
      return;
    }
    auto take = Takes().begin();
    std::advance(take, random() % Takes().size());
    const Claim claim = take->second(2 * (1 + random() % 6), stream);
    if (claim.result == CUDA_SUCCESS) {
      ++taken;
      claims->push_back(claim);
    } else {
      ++(claim.result == CUDA_ERROR_OUT_OF_MEMORY ? refused : wrong);
    }
  }
};

// "storm SEED OPERATIONS THREADS": how many claims were granted, refused, or answered otherwise.
std::string RunStorm(std::istream& words) {
  uint64_t seed = 0;
  uint64_t operations = 0;
  size_t threads_count = 0;
  words >> seed >> operations >> threads_count;
  CUcontext context = nullptr;
  EXPECT_OK(Cuda().cuCtxGetCurrent(&context));
  std::vector<Storm> storms(threads_count);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < threads_count; ++i) {
    threads.emplace_back(
        [&, i] { storms[i].Run(context, seed * 1000 + i, operations / threads_count); });
  }
  Storm sum;
  for (size_t i = 0; i < threads_count; ++i) {
    threads[i].join();
    sum.refused += storms[i].refused;
    sum.taken += storms[i].taken;
    sum.wrong += storms[i].wrong;
  }
  return "taken " + std::to_string(sum.taken) + " refused " + std::to_string(sum.refused) +
         " wrong " + std::to_string(sum.wrong);
}

}  // namespace

// "take WAY MEBIBYTES": the result; "drop": the last one; "wait"; "storm ...".
void BeAClaimant() {
  Begin();
  std::vector<Claim> claims;
  std::cout << "ready" << std::endl;
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    std::string verb;
    std::string way;
    size_t mebibytes = 0;
    words >> verb;
    if (verb == "take") {
      words >> way >> mebibytes;
      const Claim claim = Takes().at(way)(mebibytes, nullptr);
      if (claim.result == CUDA_SUCCESS) {
        claims.push_back(claim);
      }
      std::cout << claim.result << std::endl;
    } else if (verb == "drop") {
      Drop(claims.back(), nullptr);
      claims.pop_back();
      std::cout << claims.size() << std::endl;
    } else if (verb == "storm") {
      std::cout << RunStorm(words) << std::endl;
    } else {
      std::cout << Cuda().cuCtxSynchronize() << std::endl;
    }
  }
}

}  // namespace farlane::cases
