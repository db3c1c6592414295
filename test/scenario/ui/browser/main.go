// Looks at the page of weft ui in headless Chromium and says of each thing that has to be so whether it is, a line each.
//
//	browser URL-WITH-TOKEN [FOLDER-FOR-SCREENSHOTS]
//
// The cluster behind it is that of ../manifests.yaml: shop/client may talk to shop/web, shop/stranger may not, and both do.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// A wait may take ten times what it takes on an idle machine; once something has failed the rest is not worth so much.
var patience = 60 * time.Second

var failed bool

func report(name string, err error) {
	if err == nil {
		fmt.Println("ok", name)
		return
	}
	failed, patience = true, 5*time.Second
	fmt.Println("not ok", name)
	for _, line := range strings.Split(err.Error(), "\n") {
		fmt.Println("  |", line)
	}
}

// What the page has complained of.
type complaints struct {
	sync.Mutex
	texts []string
}

func (c *complaints) listen(event any) {
	c.Lock()
	defer c.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		c.texts = append(c.texts, fmt.Sprint(e.ExceptionDetails.Text, " ", e.ExceptionDetails.Exception))
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			c.texts = append(c.texts, fmt.Sprint("console: ", e.Args))
		}
	case *log.EventEntryAdded:
		// A question that is none is answered with 400, which browsers log; the test asks one.
		wrong := strings.HasSuffix(e.Entry.URL, "/api/trace") && strings.Contains(e.Entry.Text, "status of 400")
		if e.Entry.Level == log.EntryLevelError && !wrong {
			c.texts = append(c.texts, e.Entry.Text+" "+e.Entry.URL)
		}
	}
}

type browser struct{ context.Context }

// holds waits until the expression is true.
func (b browser) holds(expression string) error {
	ctx, cancel := context.WithTimeout(b, patience)
	defer cancel()
	var last any
	for {
		yes, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		if err == nil && yes {
			return nil
		}
		last = err
		select {
		case <-ctx.Done():
			page, _ := get[string](b, "document.body.innerText.slice(0, 2000)")
			return fmt.Errorf("not within %v: %s (%v)\nthe page:\n%s", patience, expression, last, page)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (b browser) run(actions ...chromedp.Action[chromedp.Void]) error {
	ctx, cancel := context.WithTimeout(b, patience)
	defer cancel()
	return chromedp.Do(ctx, actions...)
}

func get[T any](b browser, expression string) (T, error) {
	ctx, cancel := context.WithTimeout(b, patience)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](expression))
}

const (
	more   = chromedp.CSS("#ask summary")
	submit = chromedp.CSS("#ask button[type=submit]")
	pause  = chromedp.CSS("#pause")
)

func edge(from, to, state string) string {
	return fmt.Sprintf(`document.querySelector('.link[data-key=%q][data-state=%s]')`, from+" "+to, state)
}

// Keys that are pressed one after the other until the expression holds.
func (b browser) press(key, expression string, most int) error {
	for range most {
		if err := b.run(chromedp.KeyEvent(key)); err != nil {
			return err
		}
		if yes, err := get[bool](b, "Boolean("+expression+")"); err != nil || yes {
			return err
		}
	}
	return fmt.Errorf("%d times, and not: %s", most, expression)
}

func (b browser) checkMap() {
	report("the map has the Deployment, its Service and both clients", b.holds(
		`['deployment/shop/web', 'service/shop/web', 'pod/shop/client', 'pod/shop/stranger', 'gateway/shop/edge'].every((id) => document.querySelector('.node[data-id="' + id + '"]'))`))
	report("green: what was seen to work", b.holds(edge("pod/shop/client", "service/shop/web", "working")))
	report("also behind the Service", b.holds(edge("service/shop/web", "deployment/shop/web", "working")))
	report("red: what was denied", b.holds(edge("pod/shop/stranger", "service/shop/web", "failing")))
	report("grey: what is declared and not used", b.holds(edge("gateway/shop/edge", "service/shop/web", "unused")))
	report("in words too", b.holds(`/Pod shop\/stranger to Service shop\/web: denied or failing/.test(`+
		edge("pod/shop/stranger", "service/shop/web", "failing")+`.getAttribute('aria-label'))`))
	report("the cluster's own namespace is left out", b.holds(`!document.querySelector('.node[data-id="service/kube-system/kube-dns"]')`))
}

// With keys alone: to the map, along its edges, and the trace of one.
func (b browser) checkKeyboard() {
	report("Tab gets to an edge", b.press(kb.Tab, `document.activeElement.closest('.link')`, 20))
	report("which is seen to have the focus", b.holds(`document.activeElement.matches(':focus-visible')`))
	report("arrow keys get to the red one", b.press(kb.ArrowDown, `document.activeElement.closest('.link[data-state=failing]')`, 30))
	report("Enter", b.run(chromedp.KeyEvent(kb.Enter)))
	report("opens its trace", b.holds(`document.querySelector('#answer [data-verdict=denied]')`))
	report("which names the policy", b.holds(`document.getElementById('answer').innerText.includes('NetworkPolicy shop/web')`))
	report("and has the focus", b.holds(`document.activeElement.id === 'answer'`))
}

// fill sets a field of a form, as somebody who types or picks it.
func (b browser) fill(field, value string) error {
	_, err := get[bool](b, fmt.Sprintf(`((field) => {
		field.value = %q;
		return field.dispatchEvent(new Event('change', { bubbles: true }));
	})(document.querySelector(%q))`, value, field))
	return err
}

func (b browser) checkFlows() {
	report("the table has a denied connection, and why", b.holds(
		`[...document.querySelectorAll('#flows tr[data-verdict=DROPPED]')].some((row) => row.innerText.includes('shop/stranger') && row.innerText.includes('NetworkPolicy shop/web'))`))
	report("a filter", b.fill("#filters [name=verdict]", "DROPPED"))
	report("shows what fits, and nothing else", b.holds(
		`document.querySelectorAll('#flows tr').length > 0 && document.querySelectorAll('#flows tr:not([data-verdict=DROPPED])').length === 0`))
	report("more of them come while one looks", b.holds(
		`(window.before ??= document.querySelectorAll('#flows tr').length) < document.querySelectorAll('#flows tr').length`))
	report("Pause", b.run(chromedp.Click(pause)))
	report("keeps them back and says so", b.holds(`/Paused; [1-9][0-9]* are waiting/.test(document.getElementById('flows-state').innerText)`))
	report("and on", b.run(chromedp.Click(pause)))
	report("they are there", b.holds(`document.getElementById('flows-state').innerText === ''`))
}

const lockOut = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: lock-out, namespace: shop}
spec: {podSelector: {matchLabels: {app: client}}, policyTypes: [Egress]}
`

func (b browser) checkWhatIf() {
	fill := func(manifests string) error {
		for name, value := range map[string]string{"from": "shop/client", "to": "http://web.shop/", "port": "", "manifests": manifests} {
			if err := b.fill("#ask [name="+name+"]", value); err != nil {
				return err
			}
		}
		return b.run(chromedp.Click(submit))
	}
	report("the box for manifests opens", b.run(chromedp.Click(more)))
	report("a question of one's own", fill(""))
	report("is answered", b.holds(`document.querySelector('#answer [data-verdict=works]')`))
	report("the same with a policy that nobody has applied", fill(lockOut))
	report("is answered otherwise", b.holds(`!document.querySelector('#answer [data-verdict=works]') && document.getElementById('answer').innerText.includes('lock-out')`))
	report("a manifest that is none", fill("kind: [nonsense"))
	report("is told to be wrong, with its line", b.holds(`/manifests:1: /.test(document.querySelector('#answer [data-verdict=wrong]')?.innerText)`))
}

// theme looks at the page in light or dark and gives the colour of its ground.
func (b browser) theme(name, folder string) (string, error) {
	ctx, cancel := context.WithTimeout(b, patience)
	defer cancel()
	err := chromedp.Do(ctx, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}})
		return err
	}))
	if err == nil && folder != "" {
		var picture []byte
		if picture, err = chromedp.Run(ctx, chromedp.FullScreenshot(100)); err == nil {
			err = os.WriteFile(filepath.Join(folder, name+".png"), picture, 0o644)
		}
	}
	if err != nil {
		return "", err
	}
	return get[string](b, "getComputedStyle(document.body).backgroundColor")
}

func (b browser) checkThemes(folder string) {
	light, err := b.theme("light", folder)
	report("light", err)
	dark, err := b.theme("dark", folder)
	report("dark", err)
	if light == dark {
		err = fmt.Errorf("both are %s", light)
	}
	report("are of different colours", err)
}

func (b browser) checkSpeed() {
	took, err := get[float64](b, `performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? -1`)
	if err == nil && took < 0 {
		err = fmt.Errorf("nothing was")
	}
	report("it was painted", err)
	fmt.Printf("# first paint after %.0f ms\n", took)
}

func (b browser) open(url string) error {
	return b.run(chromedp.EmulateViewport(1440, 1000), chromedp.Navigate(url))
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "browser URL [FOLDER]")
		os.Exit(2)
	}
	folder := ""
	if len(os.Args) > 2 {
		folder = os.Args[2]
	}
	// Everything in it is the test's own, and the sandbox needs what containers do not give.
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath("chromium-headless-shell"), chromedp.NoSandbox,
		chromedp.WSURLReadTimeout(patience))
	allocated, end := chromedp.NewExecAllocator(context.Background(), options...)
	defer end()
	ctx, cancel := chromedp.NewContext(allocated)
	defer cancel()
	heard := &complaints{}
	// This starts the browser, and is not to have a deadline, which would end it.
	if err := chromedp.Listen(ctx, heard.listen); err != nil {
		report("Chromium starts", err)
		os.Exit(1)
	}
	b := browser{ctx}
	if err := b.open(os.Args[1]); err != nil {
		report("the page opens", err)
	} else {
		report("the token has gone from the address", b.holds(`location.search === '' && document.cookie === ''`))
		b.checkMap()
		b.checkKeyboard()
		b.checkFlows()
		b.checkWhatIf()
		b.checkThemes(folder)
		b.checkSpeed()
		heard.Lock()
		err = nil
		if len(heard.texts) > 0 {
			err = fmt.Errorf("%s", strings.Join(heard.texts, "\n"))
		}
		heard.Unlock()
		report("nothing was complained of", err)
	}
	if failed {
		cancel()
		os.Exit(1)
	}
}
