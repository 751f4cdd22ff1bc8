/* SPDX-License-Identifier: Apache-2.0 */
/* A plug-in whose scores are no numbers. */
#include <farlane_placement.h>

static double Nonsense(const farlane_placement_subject* subject, double score) {
  (void)subject;
  const double nothing = score - score;
  return nothing / nothing;
}

const farlane_placement_plugin farlane_placement_v1 = {
    .abi = FARLANE_PLACEMENT_ABI,
    .size = sizeof(farlane_placement_plugin),
    .name = "broken",
    .score = Nonsense,
};
