/* SPDX-License-Identifier: Apache-2.0 */
/* The interface of a placement plug-in: a shared library that says of a place whether it will do
 * and how good it is. It exports one object, farlane_placement_v1, and is asked from one thread.
 *
 * Its functions are functions of what they are shown: no clock, no file, no socket, no chance; the
 * same subject gives the same answer, here and on a standby. They should take less than 50 us: they
 * are asked for each device that a request could have. */
#ifndef FARLANE_PLACEMENT_H
#define FARLANE_PLACEMENT_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FARLANE_PLACEMENT_ABI 1

/* A device that could take a request. Later versions add fields at the end; `size` says how much
 * there is. Texts are valid until the function returns, and never null. */
typedef struct farlane_placement_subject {
  size_t size;
  const char* server_id;
  const char* server_region;
  const char* server_zone;
  const char* server_rack;
  const char* gpu_model;
  const char* request_tenant;
  const char* request_app;
  uint64_t gpu_memory_bytes;
  uint64_t gpu_promised_bytes;
  double gpu_promised_share; /* 0 .. 1 */
  double gpu_busy;
  double gpu_speed;
  double gpu_price_per_hour;
  uint32_t gpu_sessions;
  uint32_t request_devices;
  double request_share;
  uint64_t request_memory_bytes;
  double link_rtt_s;
  double link_bytes_per_s;
  /* The forecast: seconds lost per second of GPU work. All 0 for a filter. */
  double network;
  double contention;
  double paging;
  double opportunity;
} farlane_placement_subject;

typedef struct farlane_placement_plugin {
  uint32_t abi;  /* FARLANE_PLACEMENT_ABI */
  uint32_t size; /* sizeof(farlane_placement_plugin) */
  const char* name;
  /* 0: it will do. Null: everything will. */
  int (*filter)(const farlane_placement_subject* subject);
  /* The score of this place, given the one it has; lower is better. Null: as it is. What is no
   * finite number, or beyond a million, is not believed. */
  double (*score)(const farlane_placement_subject* subject, double score);
} farlane_placement_plugin;

/* What a plug-in defines:
 *   const farlane_placement_plugin farlane_placement_v1 = {...}; */
#if defined(__GNUC__)
__attribute__((visibility("default")))
#endif
extern const farlane_placement_plugin farlane_placement_v1;

#ifdef __cplusplus
}
#endif

#endif
