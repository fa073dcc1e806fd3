package sim

import "slices"

// Shrink returns a smaller plan that breaks the same rule: with fewer acts, shorter ones, and a better
// network, as far as tries go. The plan given has to break it.
func Shrink(p Plan, rule string, tries int) Plan {
	breaks := func(q Plan) bool {
		if tries == 0 {
			return false
		}
		tries--
		_, broken := Run(q, nil)
		return broken != nil && broken.Rule == rule
	}
	try := func(change func(*Plan)) {
		q := p
		q.Acts = slices.Clone(p.Acts)
		if change(&q); breaks(q) {
			p = q
		}
	}
	try(func(q *Plan) { q.Shape.Net.Loss, q.Shape.Net.Double, q.Shape.Net.Late, q.Shape.Net.Held = 0, 0, 0, 0 })
	for size := len(p.Acts); size > 0; size /= 2 {
		for from := 0; from < len(p.Acts); {
			before := len(p.Acts)
			try(func(q *Plan) { q.Acts = slices.Delete(q.Acts, from, min(from+size, len(q.Acts))) })
			if len(p.Acts) == before {
				from += size
			}
		}
	}
	try(func(q *Plan) { q.Shape.DriftPPM = 0 })
	for p.Shape.VIPs > 1 {
		before := p.Shape.VIPs
		try(func(q *Plan) { q.Shape.VIPs-- })
		if p.Shape.VIPs == before {
			break
		}
	}
	return p
}
