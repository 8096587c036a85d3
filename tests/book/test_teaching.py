"""The teachers' page: its link into a figure opens the figure in the state that the page names."""

from helpers.built_book import wait_until_ready

PAGE = "book/reference/teaching.html"


def test_the_example_opens_the_figure_as_the_page_says(page):
    page.open_page(PAGE)
    [form] = page.locator("article pre", has_text="#explore-").all_inner_texts()
    link = page.locator("article a[href*='#explore-']")
    assert link.get_attribute("href") == "../" + form.strip()
    link.click()
    page.wait_for_url(f"**/{form.strip()}")
    wait_until_ready(page)
    switchboard = page.locator("#explore-switchboard")
    assert switchboard.locator("input[name=batch_size] + output").inner_text() == "1"
    assert switchboard.locator("[data-name=mode] label:has(:checked)").inner_text() == "train"
    assert switchboard.locator(".fp-error").is_visible()
    assert "Expected more than 1 value per channel" in switchboard.inner_text()
    assert page.errors == []


def test_a_state_is_copied_by_a_button_of_the_name_given(page):
    page.open_page(PAGE)
    name = page.locator("article em").first.inner_text()
    page.open_page("book/06_modes.html")
    page.locator(".fp-menu > summary").first.click()
    assert page.get_by_role("button", name=name, exact=True).count() >= 1
