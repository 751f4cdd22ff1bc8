/* SPDX-License-Identifier: Apache-2.0 */
/* A plug-in of an interface that is not there yet. */
#include <farlane_placement.h>

const farlane_placement_plugin farlane_placement_v1 = {
    .abi = FARLANE_PLACEMENT_ABI + 1,
    .size = sizeof(farlane_placement_plugin),
    .name = "newer",
};
