// SPDX-License-Identifier: Apache-2.0
#include "pool-manager/placement/server_sample.h"

#include <algorithm>

#include "pool-manager/placement/name_hash.h"

namespace farlane::pool {
namespace {

using List = const std::vector<uint32_t>*;

// Numbers from a seed, as good as random.
class Numbers {
 public:
  explicit Numbers(uint64_t seed) : state_(seed) {}

  size_t Below(size_t count) {
    state_ += 0x9e3779b97f4a7c15ULL;
    return static_cast<size_t>((static_cast<unsigned __int128>(MixBits(state_)) * count) >> 64U);
  }

 private:
  uint64_t state_;
};

// Servers of a domain that have a model which fits, as lists that may overlap.
std::vector<List> ListsOf(const DomainView& domain, const RequestFilter& filter) {
  if (filter.AnyModel()) {
    return {&domain.servers};
  }
  std::vector<List> lists;
  for (size_t model = 0; model < domain.servers_of_model.size(); ++model) {
    if (filter.ModelFits(static_cast<uint16_t>(model)) && !domain.servers_of_model[model].empty()) {
      lists.push_back(&domain.servers_of_model[model]);
    }
  }
  return lists;
}

size_t CountOf(const std::vector<List>& lists) {
  size_t count = 0;
  for (const List list : lists) {
    count += list->size();
  }
  return count;
}

// Adds `want` of the lists' servers, or all if there are no more.
void Draw(const std::vector<List>& lists,
          size_t want,
          Numbers& numbers,
          std::vector<uint32_t>* sample) {
  const size_t count = CountOf(lists);
  if (count <= want) {
    for (const List list : lists) {
      sample->insert(sample->end(), list->begin(), list->end());
    }
    return;
  }
  for (size_t i = 0; i < want; ++i) {
    size_t at = numbers.Below(count);
    size_t list = 0;
    while (at >= lists[list]->size()) {
      at -= lists[list++]->size();
    }
    sample->push_back((*lists[list])[at]);
  }
}

}  // namespace

std::vector<uint32_t> SampleServers(const ClusterView& cluster,
                                    const NetworkView& network,
                                    const RequestFilter& filter,
                                    const Request& request,
                                    size_t count) {
  Numbers numbers(JoinHashes(NameHash(request.id), NameHash(request.tenant)));
  std::vector<uint32_t> sample;
  sample.reserve(count + 1);
  std::vector<List> everywhere;
  // Half of what is left for the near ones, each time: most where it is nearest, but the next
  // places are seen, too, because the nearest may be full or dear.
  size_t left = count / 2;
  for (const uint32_t domain : network.Nearest(cluster)) {
    const std::vector<List> lists = ListsOf(cluster.domains()[domain], filter);
    const size_t before = sample.size();
    Draw(lists, std::min(left, std::max<size_t>(left / 2, 8)), numbers, &sample);
    left -= std::min(left, sample.size() - before);
    everywhere.insert(everywhere.end(), lists.begin(), lists.end());
  }
  Draw(everywhere, count - std::min(count, sample.size()), numbers, &sample);
  if (request.current_server.has_value() && *request.current_server < cluster.servers().size()) {
    sample.push_back(*request.current_server);
  }
  std::sort(sample.begin(), sample.end());
  sample.erase(std::unique(sample.begin(), sample.end()), sample.end());
  return sample;
}

}  // namespace farlane::pool
