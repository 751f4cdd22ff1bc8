// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/plugin_rules.h"

#include <cmath>
#include <utility>

#include <dlfcn.h>

#include "pool-manager/placement/expression_rules.h"

namespace farlane::pool {
namespace {

constexpr char kSymbol[] = "farlane_placement_v1";

farlane_placement_subject SubjectFor(const RuleSubject& subject, const Slowdown& terms) {
  const ServerFacts& server = subject.server.facts;
  const DeviceView& device = subject.device;
  farlane_placement_subject shown{};
  shown.size = sizeof shown;
  shown.server_id = server.id.c_str();
  shown.server_region = server.place.region.c_str();
  shown.server_zone = server.place.zone.c_str();
  shown.server_rack = server.place.rack.c_str();
  shown.gpu_model = subject.cluster.models()[device.model].c_str();
  shown.request_tenant = subject.request.tenant.c_str();
  shown.request_app = subject.request.app.c_str();
  shown.gpu_memory_bytes = device.facts.memory_bytes;
  shown.gpu_promised_bytes = device.promised_bytes;
  shown.gpu_promised_share = static_cast<double>(device.promised_share) / kWholeShare;
  shown.gpu_busy = device.Busy();
  shown.gpu_speed = device.facts.speed;
  shown.gpu_price_per_hour = device.facts.price_per_hour;
  shown.gpu_sessions = device.sessions;
  shown.request_devices = subject.request.devices;
  shown.request_share = static_cast<double>(subject.request.share) / kWholeShare;
  shown.request_memory_bytes = subject.request.memory_bytes;
  shown.link_rtt_s = subject.link.rtt_s;
  shown.link_bytes_per_s = subject.link.bytes_per_s;
  shown.network = terms.network;
  shown.contention = terms.compute;
  shown.paging = terms.memory;
  shown.opportunity = terms.opportunity;
  return shown;
}

Status CheckPlugin(const farlane_placement_plugin* plugin, const std::string& path) {
  if (plugin == nullptr) {
    return Status(StatusCode::kUnsupported,
                  path + " is no placement plug-in: it exports no " + std::string(kSymbol));
  }
  if (plugin->abi != FARLANE_PLACEMENT_ABI || plugin->size < sizeof(farlane_placement_plugin)) {
    return Status(StatusCode::kMismatch,
                  "plug-in " + path + " is of interface " + std::to_string(plugin->abi) + " with " +
                      std::to_string(plugin->size) + " bytes; this program knows " +
                      std::to_string(FARLANE_PLACEMENT_ABI) + " with " +
                      std::to_string(sizeof(farlane_placement_plugin)));
  }
  if (plugin->name == nullptr || *plugin->name == '\0') {
    return Status(StatusCode::kInvalidArgument, "plug-in " + path + " has no name");
  }
  return Status::Ok();
}

}  // namespace

Result<std::unique_ptr<PluginRules>> PluginRules::Load(const std::string& path) {
  if (path.empty() || path.front() != '/') {
    return Status(StatusCode::kInvalidArgument,
                  "a plug-in is named by its absolute path, not \"" + path + "\"");
  }
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = dlerror();
    return Status(StatusCode::kNotFound,
                  std::string("cannot load plug-in ") + (why != nullptr ? why : path.c_str()));
  }
  const auto* plugin = static_cast<const farlane_placement_plugin*>(dlsym(library, kSymbol));
  if (Status status = CheckPlugin(plugin, path); !status.ok()) {
    dlclose(library);
    return status;
  }
  return std::unique_ptr<PluginRules>(new PluginRules(library, plugin));
}

PluginRules::~PluginRules() {
  dlclose(library_);
}

Reason PluginRules::Filter(const RuleSubject& subject) const {
  if (plugin_->filter == nullptr || IsOut()) {
    return Reason::kFits;
  }
  const farlane_placement_subject shown = SubjectFor(subject, {});
  return plugin_->filter(&shown) == 0 ? Reason::kFits : Reason::kPlugin;
}

double PluginRules::Score(const RuleSubject& subject, const Slowdown& terms, double score) const {
  if (plugin_->score == nullptr || IsOut()) {
    return score;
  }
  const farlane_placement_subject shown = SubjectFor(subject, terms);
  const double answer = plugin_->score(&shown, score);
  if (!std::isfinite(answer) || std::abs(answer) > kScoreMost) {
    ++faults_;
    return score;
  }
  return answer;
}

}  // namespace farlane::pool
