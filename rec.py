# deepest check of the recorder: which cells record, python ops, second replay equal, tables
import torch, itertools, sys
sys.path.insert(0,"/work/main/tests")
from nmt.config.model import ModelConfig
from nmt.build.model import build_model
from nmt.layers.packed import packed, kernels, PackedMatrix
from nmt.decoding.scorers import ModelScorer
from nmt.decoding.recorded import RecordedScorer
from nmt.decoding.search import beam_search, SearchSettings
from nmt.decoding.candidates import LengthPenalty
from nmt.models import Source
from torch import nn
torch.set_num_threads(1)
def go(over, alt=False):
    torch.manual_seed(1)
    cfg = ModelConfig.model_validate({"embedding":16,"encoder":{"hidden":16},**over})
    m = build_model(cfg, 60, 60).eval().requires_grad_(False)
    for p in m.parameters(): p.mul_(3) if p.ndim==2 else None
    pk = packed(m,"int8"); s=ModelScorer(pk)
    r = RecordedScorer(s, rows=64, kernels=lambda: kernels(nn.ModuleList([pk])))
    st=SearchSettings(beam=5,penalty=LengthPenalty(1.,5.),bos=2,eos=3,banned=(0,1,2))
    bad=0; n=0
    for i in range(25):
        B=1+i%3; T=3+i*7%11
        src=Source(torch.randint(4,60,(B,T)), torch.full((B,),T)); lim=torch.full((B,),12)
        a=beam_search(r,src,lim,st); b=beam_search(s,src,lim,st)
        bad += a!=b; n+=1
    py=0
    if r._replay:
        g=r._replay.__closure__; 
        for c in g:
            try: py=sum('Function' in str(x.kind()) or x.kind()=='prim::PythonOp' for x in c.cell_contents.graph.nodes())
            except Exception: pass
    tabs=sum(len(v._tables) for mod in pk.modules() for v in vars(mod).values() if isinstance(v,PackedMatrix))
    print(over, "differ",bad,"of",n,"recorded",r._replay is not None,"rows",r._rows,"pyops",py,"tables",tabs)
D=lambda **k: {"decoder":{"hidden":16,**k}}
for over in (D(style="layer_parallel"),D(style="layer_parallel",cell="gru"),D(style="layer_parallel",cell="sru"),D(style="input_feeding",attention={"kind":"location"}),D(style="conditional",cell="ln_lstm",attention={"kind":"coverage"}),{**D(style="layer_parallel"),"head":{"kind":"lexical"}}):
    try: go(over)
    except Exception as e: print(over, "EXC", type(e), str(e)[:200])
