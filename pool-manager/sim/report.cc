// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/sim/report.h"

#include <cstdio>

namespace farlane::pool::sim {
namespace {

template <typename... Values>
std::string Format(const char* format, Values... values) {
  char text[600];
  snprintf(text, sizeof text, format, values...);
  return text;
}

}  // namespace

std::string MixText(const std::vector<MixResult>& results) {
  std::string text = Format("%-14s %9s %9s %9s %9s %9s %7s %8s %9s\n", "rule", "mean", "p95",
                            "train", "infer", "chatty", "away", "refused", "forecast");
  for (const MixResult& one : results) {
    text += Format("%-14s %8.1f%% %8.0f%% %8.1f%% %8.1f%% %8.1f%% %6.1f%% %8u  ±%6.1f%%\n",
                   one.rule.c_str(), 100 * one.mean, 100 * one.p95,
                   100 * one.mean_of_class[static_cast<size_t>(AppClass::kTrain)],
                   100 * one.mean_of_class[static_cast<size_t>(AppClass::kInfer)],
                   100 * one.mean_of_class[static_cast<size_t>(AppClass::kInteractive)],
                   100 * one.away, one.refused, 100 * one.forecast_error);
  }
  return text;
}

std::string MixJson(const std::vector<MixResult>& results, uint64_t seed) {
  std::string json = Format("{\"seed\": %llu, \"rules\": [", static_cast<unsigned long long>(seed));
  for (size_t i = 0; i < results.size(); ++i) {
    const MixResult& one = results[i];
    json += Format(
        "%s\n  {\"rule\": \"%s\", \"jobs\": %u, \"refused\": %u, \"mean_slowdown\": %.6f, "
        "\"p95_slowdown\": %.6f, ",
        i == 0 ? "" : ",", one.rule.c_str(), one.jobs, one.refused, one.mean, one.p95);
    json += Format(
        "\"interactive\": %.6f, \"infer\": %.6f, \"train\": %.6f, \"away\": %.6f, "
        "\"occupancy\": %.6f, ",
        one.mean_of_class[0], one.mean_of_class[1], one.mean_of_class[2], one.away, one.occupancy);
    json += Format(
        "\"forecast_error_median\": %.6f, \"forecasts\": %u, "
        "\"first_forecast_error_median\": %.6f}",
        one.forecast_error, one.forecasts, one.new_app_error);
  }
  return json + "\n]}\n";
}

std::string TidalText(const TidalResult& result) {
  return Format("utilisation      %6.1f %%\n", 100 * result.utilisation) +
         Format("wait, p95        %6.0f s   (longest %.0f s, %u sessions, %u wait at the end)\n",
                result.wait_p95_s, result.wait_max_s, result.sessions, result.waiting) +
         Format("idle to given back %4.0f s mean (longest %.0f s, %u sessions)\n",
                result.reclaim_mean_s, result.reclaim_max_s, result.reclaimed) +
         Format("training suspended %4u times\n", result.suspended);
}

std::string TidalJson(const TidalResult& result, uint64_t seed) {
  return Format(
             "{\"seed\": %llu, \"utilisation\": %.6f, \"wait_p95_s\": %.1f, \"wait_max_s\": %.1f, ",
             static_cast<unsigned long long>(seed), result.utilisation, result.wait_p95_s,
             result.wait_max_s) +
         Format(
             "\"sessions\": %u, \"waiting\": %u, \"reclaimed\": %u, \"reclaim_mean_s\": %.1f, "
             "\"reclaim_max_s\": %.1f, \"suspended\": %u}\n",
             result.sessions, result.waiting, result.reclaimed, result.reclaim_mean_s,
             result.reclaim_max_s, result.suspended);
}

}  // namespace farlane::pool::sim
