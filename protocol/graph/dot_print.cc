// SPDX-License-Identifier: Apache-2.0
#include "protocol/graph/dot_print.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <map>

namespace farlane::graph {
namespace {

const char* KindName(CUgraphNodeType type) {
  switch (type) {
    case CU_GRAPH_NODE_TYPE_KERNEL:
      return "KERNEL";
    case CU_GRAPH_NODE_TYPE_MEMCPY:
      return "MEMCPY";
    case CU_GRAPH_NODE_TYPE_MEMSET:
      return "MEMSET";
    case CU_GRAPH_NODE_TYPE_HOST:
      return "HOST";
    case CU_GRAPH_NODE_TYPE_GRAPH:
      return "GRAPH";
    case CU_GRAPH_NODE_TYPE_EMPTY:
      return "EMPTY";
    case CU_GRAPH_NODE_TYPE_WAIT_EVENT:
      return "EVENT_WAIT";
    case CU_GRAPH_NODE_TYPE_EVENT_RECORD:
      return "EVENT_RECORD";
    case CU_GRAPH_NODE_TYPE_MEM_ALLOC:
      return "MEM_ALLOC";
    case CU_GRAPH_NODE_TYPE_MEM_FREE:
      return "MEM_FREE";
    case CU_GRAPH_NODE_TYPE_BATCH_MEM_OP:
      return "BATCH_MEM_OP";
    case CU_GRAPH_NODE_TYPE_CONDITIONAL:
      return "CONDITIONAL";
    default:
      return "OTHER";
  }
}

// The flag that shows what a kind of node does.
unsigned int FlagOf(CUgraphNodeType type) {
  switch (type) {
    case CU_GRAPH_NODE_TYPE_KERNEL:
      return CU_GRAPH_DEBUG_DOT_FLAGS_KERNEL_NODE_PARAMS;
    case CU_GRAPH_NODE_TYPE_MEMCPY:
      return CU_GRAPH_DEBUG_DOT_FLAGS_MEMCPY_NODE_PARAMS;
    case CU_GRAPH_NODE_TYPE_MEMSET:
      return CU_GRAPH_DEBUG_DOT_FLAGS_MEMSET_NODE_PARAMS;
    case CU_GRAPH_NODE_TYPE_HOST:
      return CU_GRAPH_DEBUG_DOT_FLAGS_HOST_NODE_PARAMS;
    case CU_GRAPH_NODE_TYPE_WAIT_EVENT:
    case CU_GRAPH_NODE_TYPE_EVENT_RECORD:
      return CU_GRAPH_DEBUG_DOT_FLAGS_EVENT_NODE_PARAMS;
    case CU_GRAPH_NODE_TYPE_MEM_ALLOC:
      return CU_GRAPH_DEBUG_DOT_FLAGS_MEM_ALLOC_NODE_PARAMS;
    case CU_GRAPH_NODE_TYPE_MEM_FREE:
      return CU_GRAPH_DEBUG_DOT_FLAGS_MEM_FREE_NODE_PARAMS;
    case CU_GRAPH_NODE_TYPE_CONDITIONAL:
      return CU_GRAPH_DEBUG_DOT_FLAGS_CONDITIONAL_NODE_PARAMS;
    default:
      return 0;
  }
}

template <typename... Values>
std::string Line(const char* format, Values... values) {
  char text[256];
  const int length = snprintf(text, sizeof text, format, values...);
  return std::string(text,
                     static_cast<size_t>(std::max(0, std::min(length, int{sizeof text} - 1))));
}

uint64_t AddressOf(const void* pointer) {
  return reinterpret_cast<uint64_t>(pointer);
}

std::string KernelText(const CUDA_KERNEL_NODE_PARAMS_v3& kernel) {
  return Line("\\ngrid (%u,%u,%u) block (%u,%u,%u) shared %u", kernel.gridDimX, kernel.gridDimY,
              kernel.gridDimZ, kernel.blockDimX, kernel.blockDimY, kernel.blockDimZ,
              kernel.sharedMemBytes);
}

std::string CopyText(const CUDA_MEMCPY3D& copy) {
  const auto place = [](CUmemorytype type, const void* host, CUdeviceptr device, CUarray array) {
    return type == CU_MEMORYTYPE_HOST    ? Line("host 0x%" PRIx64, AddressOf(host))
           : type == CU_MEMORYTYPE_ARRAY ? Line("array 0x%" PRIx64, AddressOf(array))
                                         : Line("0x%llx", device);
  };
  return "\\nfrom " + place(copy.srcMemoryType, copy.srcHost, copy.srcDevice, copy.srcArray) +
         " to " + place(copy.dstMemoryType, copy.dstHost, copy.dstDevice, copy.dstArray) +
         Line("\\n%zu x %zu x %zu", copy.WidthInBytes, copy.Height, copy.Depth);
}

std::string ConditionalText(const CUDA_CONDITIONAL_NODE_PARAMS& conditional) {
  const char* kind = conditional.type == CU_GRAPH_COND_TYPE_IF      ? "if"
                     : conditional.type == CU_GRAPH_COND_TYPE_WHILE ? "while"
                                                                    : "switch";
  return Line("\\n%s 0x%llx bodies %u", kind, static_cast<unsigned long long>(conditional.handle),
              conditional.size);
}

std::string ParamsText(const CUgraphNodeParams& params) {
  switch (params.type) {
    case CU_GRAPH_NODE_TYPE_KERNEL:
      return KernelText(params.kernel);
    case CU_GRAPH_NODE_TYPE_MEMCPY:
      return CopyText(params.memcpy.copyParams);
    case CU_GRAPH_NODE_TYPE_MEMSET:
      return Line("\\n0x%llx pitch %zu value %u size %u\\n%zu x %zu", params.memset.dst,
                  params.memset.pitch, params.memset.value, params.memset.elementSize,
                  params.memset.width, params.memset.height);
    case CU_GRAPH_NODE_TYPE_HOST:
      return Line("\\nfunction 0x%" PRIx64 " data 0x%" PRIx64,
                  reinterpret_cast<uint64_t>(params.host.fn), AddressOf(params.host.userData));
    case CU_GRAPH_NODE_TYPE_WAIT_EVENT:
    case CU_GRAPH_NODE_TYPE_EVENT_RECORD:
      return Line("\\nevent 0x%" PRIx64, AddressOf(params.eventRecord.event));
    case CU_GRAPH_NODE_TYPE_MEM_ALLOC:
      return Line("\\n0x%llx bytes %zu", params.alloc.dptr, params.alloc.bytesize);
    case CU_GRAPH_NODE_TYPE_MEM_FREE:
      return Line("\\n0x%llx", params.free.dptr);
    case CU_GRAPH_NODE_TYPE_CONDITIONAL:
      return ConditionalText(params.conditional);
    default:
      return "";
  }
}

std::string AttributesText(const NodeParams& params) {
  std::string text;
  for (const CUlaunchAttribute& attribute : params.attributes) {
    text += Line("\\nattribute %d", static_cast<int>(attribute.id));
  }
  return text;
}

// What a label may not hold as it is.
std::string Quoted(const std::string& text) {
  std::string quoted;
  for (const char c : text) {
    quoted += c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c);
  }
  return quoted;
}

std::string Label(const GraphPicture::Item& item, unsigned int flags, const KernelName& name_of) {
  const CUgraphNodeType type = item.command->type;
  const bool verbose = (flags & CU_GRAPH_DEBUG_DOT_FLAGS_VERBOSE) != 0;
  std::string label = KindName(type);
  if (verbose || (flags & CU_GRAPH_DEBUG_DOT_FLAGS_HANDLES) != 0) {
    label += Line("\\nnode 0x%" PRIx64, item.node);
  }
  if (item.command->params == nullptr) {
    return label;
  }
  const NodeParams& params = *item.command->params;
  if (type == CU_GRAPH_NODE_TYPE_KERNEL) {
    label += "\\n" + Quoted(name_of(FunctionOf(params.value)));
  }
  if (verbose || (flags & FlagOf(type)) != 0) {
    label += ParamsText(params.value);
  }
  if (verbose || (flags & CU_GRAPH_DEBUG_DOT_FLAGS_KERNEL_NODE_ATTRIBUTES) != 0) {
    label += AttributesText(params);
  }
  return label;
}

}  // namespace

std::string DotText(const std::vector<GraphPicture>& pictures,
                    unsigned int flags,
                    const KernelName& name_of) {
  std::map<wire::Handle, size_t> graphs;
  std::map<wire::Handle, std::string> nodes;
  for (const GraphPicture& picture : pictures) {
    const size_t number = graphs.size();
    graphs[picture.graph] = number;
    for (const GraphPicture::Item& item : picture.items) {
      const size_t place = nodes.size();
      nodes[item.node] = Line("\"graph_%zu_node_%zu\"", number, place);
    }
  }
  std::string text = "digraph dot {\n";
  std::string links;
  for (const GraphPicture& picture : pictures) {
    text += Line("subgraph cluster_%zu {\nlabel=\"graph_%zu\" graph[style=\"dashed\"];\n",
                 graphs[picture.graph], graphs[picture.graph]);
    for (const GraphPicture::Item& item : picture.items) {
      std::string label = Label(item, flags, name_of);
      if (item.child != 0) {
        label += Line("\\ngraph_%zu", graphs[item.child]);
      }
      for (const CUgraph body : item.bodies) {
        label += Line("\\ngraph_%zu", graphs[wire::ToWire(body)]);
      }
      text += nodes[item.node] + "[shape=\"box\" label=\"" + label + "\"];\n";
      for (const Edge& edge : item.after) {
        links += nodes[edge.from] + " -> " + nodes[item.node] + ";\n";
      }
    }
    text += "}\n";
  }
  return text + links + "}\n";
}

CUresult DotPrint(Graphs& graphs,
                  wire::Handle graph,
                  const char* path,
                  unsigned int flags,
                  const KernelName& name_of) {
  if (path == nullptr || !graphs.Knows(graph)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  const std::string text = DotText(graphs.Picture(graph), flags, name_of);
  FILE* file = fopen(path, "we");
  if (file == nullptr) {
    return CUDA_ERROR_OPERATING_SYSTEM;
  }
  const bool written = fwrite(text.data(), 1, text.size(), file) == text.size();
  const bool closed = fclose(file) == 0;
  return written && closed ? CUDA_SUCCESS : CUDA_ERROR_OPERATING_SYSTEM;
}

}  // namespace farlane::graph
