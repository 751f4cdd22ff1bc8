/* SPDX-License-Identifier: Apache-2.0 */
/* An example of a placement plug-in: small jobs stay off the dear devices, and a device that costs
 * more must be worth it.
 *
 *   cc -shared -fPIC -I pool-manager/plugin -o night_rate.so night_rate.c */
#include <farlane_placement.h>

static const double kDear = 3.0;        /* per hour */
static const double kSmall = 0.25;      /* of a device */
static const double kPriceWeight = 0.1; /* of slowdown per unit of money and hour */

static int KeepSmallOffDear(const farlane_placement_subject* subject) {
  return subject->gpu_price_per_hour > kDear && subject->request_share < kSmall;
}

static double AddPrice(const farlane_placement_subject* subject, double score) {
  return score + kPriceWeight * subject->gpu_price_per_hour * subject->request_share;
}

const farlane_placement_plugin farlane_placement_v1 = {
    .abi = FARLANE_PLACEMENT_ABI,
    .size = sizeof(farlane_placement_plugin),
    .name = "night-rate",
    .filter = KeepSmallOffDear,
    .score = AddPrice,
};
