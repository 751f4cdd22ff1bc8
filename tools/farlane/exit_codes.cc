// SPDX-License-Identifier: Apache-2.0
#include "tools/farlane/exit_codes.h"

namespace farlane::cli {
namespace {

constexpr ExitCode kCodes[] = {
    {"0", "it was done; of run: the command ended with 0"},
    {"1", "something was found wrong, or has ended that should run; each verb says what"},
    {"2", "of verbs that ask a pool: the request is wrong"},
    {"3", "of verbs that ask a pool, and of config: there is no such thing"},
    {"4", "of verbs that ask a pool: not allowed"},
    {"5", "of verbs that ask a pool: something that is there is in the way"},
    {"6", "of verbs that ask a pool: not now; try again"},
    {"7", "of verbs that ask a pool: no answer in time"},
    {"8", "of verbs that ask a pool: no room"},
    {"124", "of run: no room within FARLANE_QUEUE_TIMEOUT"},
    {"125", "farlane failed, or did not understand its own options; a line on stderr says why"},
    {"126", "of run: the command cannot be executed"},
    {"127", "of run: there is no such command"},
    {"128+N", "the command, or farlane itself, was ended by signal N"},
};

}  // namespace

std::span<const ExitCode> ExitCodes() {
  return kCodes;
}

}  // namespace farlane::cli
